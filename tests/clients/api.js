// @waves/node-api-js against the embedded node, and what is wrong in every way
// that a node tells apart.  api.js URL CHAIN-BYTE API-KEY DIALECT
'use strict';
const { create } = require('@waves/node-api-js');
const debug = require('@waves/node-api-js/cjs/api-node/debug');
const { same, ok, ask, until, done } = require('./lib');

const [url, chain, apiKey, dialect] = process.argv.slice(2);
const waves = dialect === 'waves';
const api = create(url);
const number = (v) => Number(v); // long ones come as text

async function nodeAndBlocks() {
	const status = await api.node.fetchNodeStatus();
	ok(status.blockchainHeight > 1);
	same(status.stateHeight, status.blockchainHeight);
	ok(Math.abs(number(status.updatedTimestamp) - Date.now()) < 600000);
	same(Date.parse(status.updatedDate) - number(status.updatedTimestamp) < 1000,
		true);
	ok((await api.node.fetchNodeVersion()).version);
	const { height } = await api.blocks.fetchHeight();
	ok(height >= status.blockchainHeight);
	const time = await api.utils.fetchNodeTime();
	ok(Math.abs(number(time.NTP) - Date.now()) < 600000);

	const first = await api.blocks.fetchFirst();
	const blocks = await api.blocks.fetchSeq(1, height);
	const headers = await api.blocks.fetchHeadersSeq(1, height);
	same(blocks.length, height);
	same(blocks[0], first);
	for (const [i, b] of blocks.entries()) {
		same(b.height, i + 1);
		same(b.transactionCount, b.transactions.length);
		if (i > 0)
			same(b.reference, waves ? blocks[i - 1].id :
				blocks[i - 1].signature);
		const { transactions, ...header } = b;
		same(headers[i], header);
		same(await api.blocks.fetchHeadersAt(i + 1), header);
		same(await api.blocks.fetchBlockAt(i + 1), b);
		same((await api.blocks.fetchHeightById(b.signature)).height, i + 1);
		if (waves) {
			same(await api.blocks.fetchBlockById(b.id), b);
			same(await api.blocks.fetchHeadersById(b.id), header);
		}
	}
	const last = await api.blocks.fetchLast();
	ok(last.height >= height);
	ok((await api.blocks.fetchHeadersLast()).height >= height);
	same(await api.tools.blocks.getNetworkCode(), chain);
	same(await api.tools.blocks.getNetworkByte(), chain.charCodeAt(0));
	const mine = await api.blocks.fetchBlocksByAddress(first.generator, 1, height);
	same(mine.length, height);
	await require('@waves/node-api-js/cjs/tools/blocks/waitHeight').default(url, height);
	return blocks;
}

async function transactionsAndData(blocks) {
	const newest = new Map();
	const all = blocks.flatMap((b) =>
		b.transactions.map((tx) => ({ ...tx, height: b.height })));
	ok(all.length > 3);
	for (const tx of all) {
		const info = await api.transactions.fetchInfo(tx.id);
		same({ ...info, applicationStatus: undefined },
			{ ...tx, applicationStatus: undefined });
		for (const e of tx.data)
			newest.set(`${tx.sender} ${e.key}`, [tx.sender, e]);
	}
	if (waves) {
		const ids = all.slice(0, 5).map((tx) => tx.id);
		same((await api.transactions.fetchMultipleInfo(ids)).map((t) => t.id),
			ids);
	}
	const { statuses } = await api.transactions.fetchStatus(
		[all[0].id, 'A'.repeat(43)]);
	same(statuses[0].status, 'in_blockchain');
	same(statuses[0].height, all[0].height);
	same(statuses[1].status, 'not_found');
	for (const sender of new Set(all.map((tx) => tx.sender))) {
		const want = all.filter((tx) => tx.sender === sender).reverse();
		const list = await api.transactions.fetchTransactions(sender, 100);
		same(list.map((tx) => tx.id).slice(-want.length),
			want.slice(-100).map((tx) => tx.id));
		const rest = await api.transactions.fetchTransactions(
			sender, 100, want[0].id);
		same(rest.map((tx) => tx.id), want.slice(1).map((tx) => tx.id));
		same((await api.addresses.fetchBalance(sender)).address, sender);
		same((await api.addresses.fetchBalanceDetails(sender)).address, sender);
		same((await api.addresses.fetchValidate(sender)).valid, true);
		same((await api.addresses.fetchPublicKey(want[0].senderPublicKey))
			.address, sender);
	}
	for (const [sender, e] of newest.values()) {
		const one = await ask(`${url}/addresses/data/${sender}/` +
			encodeURIComponent(e.key));
		same(one.json.value, e.type === 'integer' ? number(e.value) : e.value);
		same((await api.addresses.fetchDataKey(sender, e.key)).key, e.key);
		if (waves && /^[\w.]+$/.test(e.key))
			same((await api.addresses.data(sender, { key: e.key }))[0].key,
				e.key);
	}
	const [sender] = newest.values().next().value;
	ok((await api.addresses.data(sender)).length > 0);
	same(await api.addresses.data(
		(await api.blocks.fetchFirst()).generator), []);
	return all;
}

async function pool() {
	ok((await api.transactions.fetchUnconfirmedSize()).size >= 0);
	ok(Array.isArray(await api.transactions.fetchUnconfirmed()));
	await api.transactions.fetchUnconfirmedInfo('A'.repeat(43)).then(
		() => ok(false), (e) => ok(e.status === 'error' || e.error === 311));
}

async function rollback(height) {
	await debug.debugRollback(url, height - 1, true, 'wrong').then(
		() => ok(false), (e) => same(e.error, 2));
	const at = await api.blocks.fetchHeadersAt(height - 1);
	const r = await debug.debugRollback(url, height - 1, true, apiKey);
	same(r.BlockId, at.signature);
	await until('transactions are back', async () =>
		(await api.transactions.fetchUnconfirmedSize()).size === 0);
}

(async () => {
	const blocks = await nodeAndBlocks();
	await transactionsAndData(blocks);
	await pool();
	await require('./errors').run(url, chain, apiKey, dialect);
	await rollback((await api.blocks.fetchHeight()).height);
	done(`node-api-js, ${dialect}`);
})().catch((e) => {
	console.error(e);
	process.exit(1);
});
