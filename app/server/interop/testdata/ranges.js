// Fetches parts of files and seeks in media in headless Chromium, and reports as JSON what went over the wire.
'use strict';
const { browse } = require('./browser.js');

// The functions below run in the page.
const fetches = async (lines) => {
	const contents = [];
	for (const { path, range } of lines) {
		const response = await fetch(path, { headers: range ? { Range: range } : {}, cache: 'no-store' });
		contents.push(btoa(String.fromCharCode(...new Uint8Array(await response.arrayBuffer()))));
	}
	return contents;
};
// Plays nothing: a seek is complete when there is something to play at the new place.
const seeks = async ({ kind, path }) => {
	const element = document.createElement(kind);
	const event = (name) => new Promise((resolve, reject) => {
		element.addEventListener(name, resolve, { once: true });
		element.addEventListener('error', () => reject(new Error(kind + ': ' + element.error.message)), { once: true });
	});
	const loaded = event('loadedmetadata');
	element.preload = 'auto';
	element.src = path;
	document.body.append(element);
	await loaded;
	const places = [];
	for (const part of [0.9, 0.5, 0.97, 0.1]) {
		const sought = event('seeked');
		element.currentTime = element.duration * part;
		await sought;
		places.push(element.currentTime / element.duration);
	}
	element.removeAttribute('src');
	element.load();
	return { Places: places };
};

// watch collects the requests for files: the fields as they were sent, and those that came.
const watch = async (page, context) => {
	const session = await context.newCDPSession(page);
	const exchanges = new Map();
	const at = (id) => exchanges.get(id) ?? exchanges.set(id, { Path: '', Kind: '', Protocol: '', Asked: {}, Status: 0, Answered: {} }).get(id);
	session.on('Network.requestWillBeSent', (e) => Object.assign(at(e.requestId), { Path: new URL(e.request.url).pathname, Kind: e.type }));
	session.on('Network.requestWillBeSentExtraInfo', (e) => { at(e.requestId).Asked = e.headers; });
	session.on('Network.responseReceived', (e) => { at(e.requestId).Protocol = e.response.protocol; });
	session.on('Network.responseReceivedExtraInfo', (e) => Object.assign(at(e.requestId), { Status: e.statusCode, Answered: e.headers }));
	await session.send('Network.enable');
	// A seek gives up what is under way, with its answer sometimes.
	return () => [...exchanges.values()].filter((e) => e.Path.startsWith('/file/') && e.Status !== 0 && e.Protocol !== '');
};

browse(async (page, context) => {
	const exchanges = await watch(page, context);
	const lines = JSON.parse(process.argv[5]);
	const report = { Contents: await page.evaluate(fetches, lines) };
	for (const kind of ['audio', 'video']) report[kind] = await page.evaluate(seeks, { kind, path: '/file/' + kind + '.wav' });
	report.Exchanges = exchanges();
	return report;
});
