// Opens the page of an admin listener in headless Chromium at the sizes of a desktop and a phone, light and dark, and
// reports as JSON what is wrong with it. The arguments are the browser's path, the URL of the page, and a directory for
// screenshots, or nothing.
'use strict';
const { readFileSync } = require('fs');
const { chromium } = require('playwright-core');
const [executablePath, url, screenshots] = process.argv.slice(2);
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

// The functions below run in the page.
const look = () => ({
	Rows: Object.fromEntries(['protocols', 'answers', 'loops', 'backends', 'requests', 'log'].map((id) => [id, document.getElementById(id).rows.length])),
	Stalls: document.querySelectorAll('#stalls details').length,
	Points: document.querySelectorAll('#plot-rate polyline')[0]?.getAttribute('points').split(' ').length || 0,
	Markup: document.querySelectorAll('main img, main script, main iframe').length,
	Width: document.documentElement.scrollWidth,
	Target: document.querySelector('#requests .long')?.textContent || '',
});
const violations = () => axe.run(document, { resultTypes: ['violations'] })
	.then((found) => found.violations.flatMap((v) => v.nodes.map((n) => v.id + ': ' + n.target.join(' '))));

// The visits whose accessibility is checked: each size and each colour scheme once.
const checked = ['desktop-light', 'phone-dark'];

const visit = async (browser, name, options) => {
	const context = await browser.newContext(options);
	const page = await context.newPage();
	const complaints = [];
	page.on('console', (message) => { if (message.type() === 'error') complaints.push(message.text()); });
	page.on('pageerror', (error) => complaints.push(String(error)));
	page.on('dialog', (dialog) => { complaints.push('dialog: ' + dialog.message()); dialog.dismiss(); });
	page.on('request', (request) => { if (!request.url().startsWith(url) && !request.url().startsWith('data:')) complaints.push('asks for ' + request.url()); });
	await page.goto(url);
	const report = { Name: name, Complaints: complaints };
	if (options.javaScriptEnabled !== false) {
		await page.waitForFunction(() => (document.querySelector('#plot-rate polyline')?.getAttribute('points') || '').split(' ').length >= 3);
		if (checked.includes(name)) {
			await page.evaluate(axe);
			report.Violations = await page.evaluate(violations);
		}
		// By keyboard: the pause button, which stops the figures.
		for (let i = 0; i < 10 && await page.evaluate(() => document.activeElement.id) !== 'pause'; i++) await page.keyboard.press('Tab');
		await page.keyboard.press('Enter');
		report.Paused = await page.evaluate(() => document.getElementById('pause').getAttribute('aria-pressed') + ' ' + document.getElementById('live').textContent);
	}
	Object.assign(report, await page.evaluate(look));
	report.Wide = report.Width > options.viewport.width;
	if (screenshots) await page.screenshot({ path: screenshots + '/' + name + '.png', fullPage: true });
	await context.close();
	return report;
};

(async () => {
	const browser = await chromium.launch({ executablePath, headless: true, args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'] });
	const desktop = { viewport: { width: 1280, height: 900 } };
	const phone = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };
	const visits = [visit(browser, 'desktop-noscript', { ...desktop, javaScriptEnabled: false })];
	for (const [size, options] of [['desktop', desktop], ['phone', phone]]) {
		for (const colorScheme of ['light', 'dark']) visits.push(visit(browser, size + '-' + colorScheme, { ...options, colorScheme }));
	}
	const reports = await Promise.all(visits).finally(() => browser.close());
	process.stdout.write(JSON.stringify(reports));
})().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
