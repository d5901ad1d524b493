// Opens a page of the server in headless Chromium, speaks WebSocket and EventSource from it, and reports as JSON.
'use strict';
const { browse } = require('./browser.js');

// The functions below run in the page.
const sockets = async (count) => {
	const url = location.origin.replace('http', 'ws');
	const opened = (socket) => new Promise((resolve, reject) => { socket.onopen = resolve; socket.onerror = () => reject(new Error('not opened')); });
	const message = (socket) => new Promise((resolve) => { socket.onmessage = (event) => resolve(event.data); });
	const report = { Echoed: 0, Extensions: '' };
	const all = [];
	for (let i = 0; i < count; i++) all.push(new WebSocket(url + '/ws'));
	await Promise.all(all.map(opened));
	report.Extensions = all[0].extensions;
	for (const sample of ['', 'hello', 'x'.repeat(126), 'κόσμε '.repeat(20000)]) {
		for (const socket of all) {
			const heard = message(socket);
			socket.send(sample);
			if (await heard !== sample) throw new Error('echo differs');
			report.Echoed++;
		}
	}
	for (const socket of all) {
		const closed = new Promise((resolve) => { socket.onclose = resolve; });
		socket.close(4000, 'done');
		const event = await closed;
		if (!event.wasClean) throw new Error('not closed cleanly: ' + event.code);
		Object.assign(report, { Code: event.code, Reason: event.reason });
	}
	const protocol = new WebSocket(url + '/ws/served', ['other', 'blocking']);
	await opened(protocol);
	report.Protocol = protocol.protocol;
	protocol.close();
	const flood = new WebSocket(url + '/ws/flood?n=300&size=20KiB');
	report.Flood = 0;
	flood.onmessage = () => report.Flood++;
	await new Promise((resolve) => { flood.onclose = resolve; });
	return report;
};
const events = () => new Promise((resolve) => {
	const source = new EventSource('/events?n=3&every=10ms');
	const report = { Events: [], Reconnected: false };
	source.onmessage = (event) => report.Events.push(event.lastEventId + ':' + event.data);
	// The stream ends behind the third event; the browser connects again and is told by 204 to stay away.
	source.onerror = () => {
		report.Reconnected = report.Events.length === 3;
		if (source.readyState === EventSource.CLOSED) resolve(report);
	};
});
const transfers = async () => {
	const hex = async (content) => [...new Uint8Array(await crypto.subtle.digest('SHA-256', content))].map((b) => b.toString(16).padStart(2, '0')).join('');
	const post = (path, content) => fetch(path, { method: 'POST', body: content });
	const upload = new Uint8Array(3 << 20).map((_, i) => i * 7 + (i >> 8));
	const received = await (await post('/upload', upload)).json();
	const report = { Uploaded: received.bytes, Same: received.sha256 === await hex(upload), Refused: [] };
	const [whole, streamed] = [await (await fetch('/bytes/10MiB')).arrayBuffer(), await (await fetch('/stream/10MiB')).arrayBuffer()];
	report.Downloaded = whole.byteLength;
	report.Same &&= await hex(whole) === await hex(streamed);
	const large = new Uint8Array(6 << 20);
	for (let i = 0; i < 3; i++) report.Refused.push((await post('/limited', large)).status);
	return report;
};

browse(async (page) => {
	const report = { ...await page.evaluate(sockets, 10), ...await page.evaluate(events), Transfers: await page.evaluate(transfers) };
	report.PageProtocol = await page.evaluate(() => performance.getEntriesByType('navigation')[0].nextHopProtocol);
	return report;
});
