// Headless Chromium with an empty profile, on a page of the server. The arguments of the program are the browser's
// path, the profile's and the server's origin.
'use strict';
const { chromium } = require('playwright-core');
const [executable, profile, origin] = process.argv.slice(2);

const open = async (dialogue) => {
	const context = await chromium.launchPersistentContext(profile, {
		executablePath: executable,
		headless: true,
		ignoreHTTPSErrors: true,
		args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
			'--disable-component-update', '--disable-sync', '--ignore-certificate-errors'],
	});
	try {
		const page = await context.newPage();
		await page.goto(origin + '/page');
		process.stdout.write(JSON.stringify(await dialogue(page, context)));
	} finally {
		await context.close();
	}
};

// browse prints what the dialogue with the page reports, and ends the program.
exports.browse = (dialogue) => open(dialogue).then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
