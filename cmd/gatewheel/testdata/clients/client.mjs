// Node's fetch and WebSocket do what clients do, and print what came of it as JSON.
// Arguments: the server's URL, an upload, and one that is too large.
import { createHash } from 'node:crypto';
import dns from 'node:dns';
import { readFileSync } from 'node:fs';

dns.setDefaultResultOrder('ipv4first');
const [url, uploadFile, largeFile] = process.argv.slice(2);
const upload = readFileSync(uploadFile), large = readFileSync(largeFile);

const post = (content) => ({ method: 'POST', body: content });
const chunked = (content) => ({ method: 'POST', duplex: 'half', body: new Blob([content]).stream() });
const range = (bytes) => ({ headers: { Range: 'bytes=' + bytes } });

const ask = async (path, request) => {
	const response = await fetch(url + path, request);
	const content = Buffer.from(await response.arrayBuffer());
	const text = content.length < 200 ? content.toString().trim()
		: `${content.length} bytes ${createHash('sha256').update(content).digest('hex')}`;
	return `${response.status} ${text}`.trim();
};
const status = async (path, request) => (await ask(path, request)).slice(0, 3);

const echo = (text) => new Promise((resolve, reject) => {
	const socket = new WebSocket(url.replace('http', 'ws') + '/ws');
	let heard = '';
	socket.onopen = () => socket.send(text);
	socket.onerror = () => reject(new Error('the WebSocket fails'));
	socket.onmessage = (event) => { heard = event.data; socket.close(1000); };
	socket.onclose = (event) => resolve(`${heard === text ? 'the same' : 'something else'}, closed with ${event.code}`);
});

const tag = (await fetch(url + '/file/large')).headers.get('ETag');
const outcomes = {
	'get': await ask('/'),
	'upload': await ask('/upload', post(upload)),
	'upload without length': await ask('/upload', chunked(upload)),
	'download': await ask('/file/large'),
	'download without length': await ask('/stream/10MiB'),
	'range': await ask('/file/large', range('1000-5999')),
	'suffix range': await ask('/file/large', range('-5000')),
	'range beyond the end': await status('/file/large', range('20000000-')),
	'unchanged': await ask('/file/large', { headers: { 'If-None-Match': tag } }),
	'too large': '',
};
for (let i = 0; i < 8; i++) outcomes['too large'] += ` ${await status('/upload', post(large))}`;
outcomes['too large'] = outcomes['too large'].trim();
if (globalThis.WebSocket) outcomes['WebSocket'] = await echo('κόσμε '.repeat(20_000));
process.stdout.write(JSON.stringify(outcomes), () => process.exit(0));
