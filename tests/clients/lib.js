// What the clients' tests share: accounts, signing, checks.
'use strict';
const assert = require('assert/strict');

let checks = 0;
function same(got, want, what) {
	checks++;
	assert.deepEqual(got, want, what);
}
function ok(value, what) {
	checks++;
	assert.ok(value, what);
}

// Any request; the answer's JSON, or its text.
async function ask(url, method = 'GET', body, headers = {}) {
	const json = { 'Content-Type': 'application/json' };
	const r = await fetch(url, {
		method,
		body,
		headers: { ...(method === 'POST' ? json : {}), ...headers },
	});
	const text = await r.text();
	try {
		return { status: r.status, json: JSON.parse(text), text };
	} catch {
		return { status: r.status, text };
	}
}

async function until(what, fn) {
	for (let i = 0; i < 600; i++) {
		const v = await fn();
		if (v)
			return v;
		await new Promise((done) => setTimeout(done, 50));
	}
	throw new Error(`did not happen: ${what}`);
}

// Entries with everything that can be told wrong.
const entries = [
	{ key: 'integer', type: 'integer', value: 42 },
	{ key: 'negative', type: 'integer', value: -1 },
	{ key: 'zero', type: 'integer', value: 0 },
	{ key: 'large', type: 'integer', value: 9007199254740991 },
	{ key: 'yes', type: 'boolean', value: true },
	{ key: 'no', type: 'boolean', value: false },
	{ key: 'binary', type: 'binary', value: 'base64:AAECAwQF/w==' },
	{ key: 'string', type: 'string', value: 'plain' },
	{ key: 'empty', type: 'string', value: '' },
	{ key: 'кириллица, 中文', type: 'string', value: 'Ünïcödé 漢字 🙂' },
	{ key: 'a/b c%?#+&=', type: 'string', value: 'q"\\\n\t' },
	{ key: 'k'.repeat(100), type: 'string', value: 'x'.repeat(1000) },
];

function done(what) {
	console.log(`figure: ${what}: ${checks} checks passed`);
}

module.exports = { same, ok, ask, until, entries, done };
