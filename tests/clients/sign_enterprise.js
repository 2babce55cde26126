// Signing as Waves Enterprise's official client does.
'use strict';
const crypto = require('@wavesenterprise/crypto-utils');
const { TRANSACTIONS } = require('@wavesenterprise/transactions-factory');

async function account(seed, chain) {
	const keys = await crypto.createKeys(seed);
	return {
		publicKey: crypto.toBase58(keys.publicKey),
		privateKey: crypto.toBase58(keys.privateKey),
		address: crypto.toBase58(
			crypto.createAddress(keys.publicKey, chain.charCodeAt(0))),
	};
}

// The official encoder's body of a transaction as JSON tells it.
async function body(tx) {
	return TRANSACTIONS.Data[`V${tx.version}`]({
		senderPublicKey: tx.senderPublicKey,
		authorPublicKey: tx.authorPublicKey,
		data: tx.data,
		timestamp: tx.timestamp,
		fee: tx.fee,
		feeAssetId: tx.feeAssetId || undefined,
		atomicBadge: tx.atomicBadge || undefined,
	}).getBytes();
}

async function signed(who, version, data, timestamp = Date.now(), more = {}) {
	const tx = {
		type: 12,
		version,
		senderPublicKey: who.publicKey,
		authorPublicKey: who.publicKey,
		data,
		fee: 0,
		timestamp,
		...more,
	};
	const bytes = await body(tx);
	tx.proofs = [crypto.createTransactionSignature(bytes, who.privateKey)];
	return { tx, id: crypto.getTransactionId(bytes) };
}

module.exports = { account, body, signed };
