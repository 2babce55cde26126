// SPDX-License-Identifier: GPL-3.0-or-later
// Pays AMOUNT (all: what there is) to each address, signed by the official
// client.
//   node fund.js NODE SEED CHAIN AMOUNT ADDRESS...
const { transfer, broadcast, libs } = require('@waves/waves-transactions');
const [url, seed, chainId, amount, ...to] = process.argv.slice(2);
const wait = (ms) => new Promise((done) => setTimeout(done, ms));

// A node that has just begun to mine may refuse once or twice.
async function pay(recipient) {
	const fee = 100000;
	const from = libs.crypto.address(seed, chainId);
	const sum = amount === 'all' ? await balance(from) - fee : amount;
	const tx = transfer({ recipient, amount: sum, chainId, fee, version: 2 }, seed);
	for (let i = 0; ; i++) {
		try {
			await broadcast(tx, url);
			return tx.id;
		} catch (e) {
			if (i === 20)
				throw new Error(JSON.stringify(e.data || e.message || e));
			await wait(500);
		}
	}
}

async function balance(address) {
	const answer = await fetch(`${url}/addresses/balance/${address}`);
	return (await answer.json()).balance;
}

(async () => {
	const ids = [];
	for (const address of to)
		ids.push(await pay(address));
	for (const id of ids)
		while (!(await fetch(`${url}/transactions/info/${id}`)).ok)
			await wait(200);
})().catch((e) => {
	console.error('fund:', e.message);
	process.exit(1);
});
