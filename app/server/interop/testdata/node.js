// Talks to the server with Node's ws and reports what it heard, as JSON.
'use strict';
const WebSocket = require('ws');
const [url, mode] = process.argv.slice(2);
const options = { perMessageDeflate: mode === 'packed', rejectUnauthorized: false };

const open = (path, extra) => new Promise((resolve, reject) => {
	const socket = new WebSocket(url + path, { ...options, ...extra });
	socket.once('open', () => resolve(socket));
	socket.once('error', reject);
});
const event = (socket, name) => new Promise((resolve) => socket.once(name, (...args) => resolve(args)));

(async () => {
	const report = { Echoed: 0 };
	const samples = ['', 'hello', 'x'.repeat(126), 'κόσμε '.repeat(20000), Buffer.alloc(300000, 7)];
	for (const path of ['/ws', '/ws/keeping']) {
		const socket = await open(path);
		report.Extensions = socket.extensions;
		for (const sample of samples) {
			const heard = event(socket, 'message');
			socket.send(sample);
			const [data, binary] = await heard;
			if (binary !== Buffer.isBuffer(sample) || !data.equals(Buffer.from(sample))) throw new Error('echo differs');
			report.Echoed++;
		}
		const pong = event(socket, 'pong');
		socket.ping('ping');
		report.Pong = String((await pong)[0]);
		const closed = event(socket, 'close');
		socket.close(4000, 'done');
		const [code, reason] = await closed;
		Object.assign(report, { Code: code, Reason: String(reason) });
	}
	const members = [await open('/ws/chat'), await open('/ws/chat')];
	const heard = members.map((member) => event(member, 'message'));
	members[0].send('hello');
	report.Chat = (await Promise.all(heard)).map(([data]) => String(data));
	members.forEach((member) => member.close());
	// Messages may come along with the response, before anybody who awaits the opening runs.
	const flood = new WebSocket(url + '/ws/flood?n=500&size=20KiB', options);
	report.Flood = 0;
	flood.on('message', () => report.Flood++);
	await event(flood, 'close');
	report.Refused = await new Promise((resolve) => {
		const foreign = new WebSocket(url + '/ws', { ...options, origin: 'https://foreign.example' });
		foreign.on('unexpected-response', (_, response) => { resolve(response.statusCode); foreign.terminate(); });
		foreign.on('error', () => {});
	});
	process.stdout.write(JSON.stringify(report), () => process.exit(0));
})().catch((error) => { console.error(error); process.exit(1); });
