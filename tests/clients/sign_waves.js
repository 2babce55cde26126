// Signing as the official client of public Waves does.
'use strict';
const { data } = require('@waves/waves-transactions');
const crypto = require('@waves/ts-lib-crypto');

async function account(seed, chain) {
	return {
		seed,
		chain,
		publicKey: crypto.publicKey(seed),
		address: crypto.address(seed, chain),
	};
}

async function signed(who, version, entries, timestamp = Date.now(), more = {}) {
	const tx = data({ version, data: entries, chainId: who.chain, timestamp,
		...more }, who.seed);
	return { tx: { ...tx, timestamp }, id: tx.id };
}

module.exports = { account, signed };
