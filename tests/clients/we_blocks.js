// Blocks as a Waves Enterprise node shows them, in a file: the transactions by
// the official encoders, the rest as the node's sources write it
// (waves-enterprise/we-node 1.14: node/.../block/package.scala, Block.scala,
// BlockHeaderJsonify.scala, consensus/Vote.scala; waves-enterprise/we-core
// 1.14: project/.../TxScheme.scala, CaseClassesGenerator.scala), and all of it
// signed by the official client.  Usage: we_blocks.js FILE
'use strict';
const fs = require('fs');
const crypto = require('@wavesenterprise/crypto-utils');
const { TRANSACTIONS } = require('@wavesenterprise/transactions-factory');
const { account } = require('./sign_enterprise');
const { entries } = require('./lib');

const CHAIN = 'V';
const u8 = (n) => Buffer.from([n]);
const u16 = (n) => { const b = Buffer.alloc(2); b.writeUInt16BE(n); return b; };
const i16 = (n) => { const b = Buffer.alloc(2); b.writeInt16BE(n); return b; };
const u32 = (n) => { const b = Buffer.alloc(4); b.writeUInt32BE(n); return b; };
const i64 = (n) => { const b = Buffer.alloc(8); b.writeBigInt64BE(BigInt(n)); return b; };
const un58 = (s) => Buffer.from(crypto.fromBase58(s));
const sized = (b) => Buffer.concat([u32(b.length), b]);

let now = 1700000000000;
const sign = (bytes, who) =>
	crypto.createTransactionSignature(Uint8Array.from(bytes), who.privateKey);

const proofs = (list) => Buffer.concat([u8(1), u16(list.length),
	...list.map((p) => Buffer.concat([u16(un58(p).length), un58(p)]))]);

// JSON and full bytes of a transaction; ${shown}: told otherwise than given
async function make(kind, version, who, fields, shown = {}) {
	const timestamp = now++;
	const given = {
		senderPublicKey: who.publicKey, timestamp, fee: 1000,
		...(kind === 'Permit' ? { duplicate_timestamp: timestamp } : {}),
		...fields,
	};
	const tx = TRANSACTIONS[kind][`V${version}`](given);
	tx.setNetworkByte(CHAIN.charCodeAt(0));
	const body = Buffer.from(await tx.getBytes());
	const proof = sign(body, who);
	return {
		json: {
			type: tx.type, id: crypto.getTransactionId(Uint8Array.from(body)),
			sender: who.address, senderPublicKey: who.publicKey,
			fee: given.fee, timestamp, proofs: [proof], version,
			...fields, ...shown,
		},
		bytes: Buffer.concat([u8(0), body, proofs([proof])]),
	};
}

function atomic(who, miner, inner) {
	const timestamp = now++;
	const head = Buffer.concat([u8(120), u8(1), un58(who.publicKey)]);
	const body = Buffer.concat([head, u16(inner.length),
		...inner.map((t) => un58(t.json.id)), i64(timestamp)]);
	const list = [sign(body, who), sign(body, miner)];
	return {
		json: {
			type: 120, id: crypto.getTransactionId(Uint8Array.from(body)),
			sender: who.address, senderPublicKey: who.publicKey, fee: 0,
			timestamp, proofs: list, version: 1, miner: miner.publicKey,
			transactions: inner.map((t) => t.json),
		},
		bytes: Buffer.concat([u8(0), head, u8(1), un58(miner.publicKey),
			u16(inner.length), ...inner.map((t) => sized(t.bytes)),
			i64(timestamp), proofs(list)]),
	};
}

const consensus = {
	pos: (target, generation) => ({
		json: { 'pos-consensus': { 'base-target': target,
			'generation-signature': crypto.toBase58(generation) } },
		bytes: () => Buffer.concat([u8(1), i64(target), Buffer.from(generation)]),
	}),
	poa: (skipped) => ({
		json: { 'poa-consensus': { 'overall-skipped-rounds': skipped } },
		bytes: () => Buffer.concat([u8(2), i64(skipped)]),
	}),
	cft: (votes, skipped) => ({
		json: { 'cft-consensus': { votes: votes.map((v) => v.json),
			'overall-skipped-rounds': skipped } },
		bytes: (without) => Buffer.concat([u8(3),
			u16(without ? 0 : votes.length),
			...(without ? [] : votes.map((v) => v.bytes)), i64(skipped)]),
	}),
};

function vote(who, hash) {
	const body = Buffer.concat([un58(who.publicKey), hash]);
	const signature = sign(body, who);
	return {
		json: { sender: who.address, blockVotingHash: crypto.toBase58(hash),
			signature },
		bytes: Buffer.concat([body, un58(signature)]),
	};
}

const blocks = [];
const before = () => blocks[blocks.length - 1].signature;

function bytesOf(b, without) {
	return Buffer.concat([u8(b.version), i64(b.timestamp), un58(b.reference),
		sized(b.consensus.bytes(without)),
		sized(Buffer.concat([u32(b.txs.length), ...b.txs.map((t) => sized(t.bytes))])),
		u32(b.features.length), ...b.features.map(i16),
		un58(b.by.publicKey)]);
}

function show(b, signature, size) {
	blocks.push({
		version: b.version, timestamp: b.timestamp, reference: b.reference,
		generator: b.by.address, signature, ...b.consensus.json,
		features: b.features, blocksize: size,
		transactionCount: b.txs.length,
		fee: b.txs.reduce((sum, t) => sum + t.json.fee, 0),
		transactions: b.txs.map((t) => t.json), height: blocks.length + 1,
	});
}

function add(by, how, txs = [], features = []) {
	const b = { version: 3, timestamp: now++, reference: before(),
		consensus: how, txs, features, by };
	const bytes = bytesOf(b);
	show(b, sign(bytes, by), bytes.length + 64);
}

function addVoted(by, voters, txs) {
	const b = { version: 3, timestamp: now++, reference: before(),
		consensus: consensus.cft([], 3), txs, features: [], by };
	const hash = un58(crypto.getTransactionId(Uint8Array.from(bytesOf(b, true))));
	b.consensus = consensus.cft(voters.map((v) => vote(v, hash)), 3);
	const bytes = bytesOf(b);
	show(b, sign(bytes, by), bytes.length + 64);
}

async function main() {
	const [m, n, o, user, other] = await Promise.all(['miner one', 'miner two',
		'miner three', 'user', 'other'].map((s) => account(s, CHAIN)));
	const data = (version, more = {}) => make('Data', version, user, {
		authorPublicKey: other.publicKey, data: entries, ...more,
	}, { author: other.address, ...(version > 1 ? { feeAssetId: null } : {}),
		...(version > 2 && !more.atomicBadge ? { atomicBadge: null } : {}) });
	const due = { opType: 'add', role: 'sender', dueTimestamp: now + 1e9 };
	const badge = { atomicBadge: { trustedSender: other.address } };
	const none = { atomicBadge: null };
	const poa = consensus.poa;
	const first = crypto.toBase58(new Uint8Array(64).fill(255));

	show({ version: 1, timestamp: now++, reference: first, by: m,
		consensus: poa(0), features: [], txs: [] }, sign(u8(1), m), 200);
	add(m, poa(0));
	add(n, poa(7), [await data(1), await data(2), await data(3)]);
	add(m, poa(8), [
		await make('Permit', 1, m, { target: user.address, ...due }),
		await make('Permit', 2, m, { target: user.address, opType: 'remove',
			role: 'contract_developer' }, { dueTimestamp: null, ...none }),
		await make('RegisterNode', 1, m, { targetPubKey: n.publicKey,
			nodeName: 'node-два', opType: 'add' }, { target: n.address }),
		await make('RegisterNode', 2, m, { targetPubKey: n.publicKey,
			nodeName: '', opType: 'remove' },
		{ target: n.address, nodeName: null, ...none }),
		await make('Transfer', 2, m, { recipient: user.address, amount: 12345,
			attachment: '' }, { assetId: null, feeAssetId: null }),
		await make('Transfer', 3, m, { recipient: user.address, amount: 1,
			assetId: crypto.toBase58(new Uint8Array(32).fill(5)),
			feeAssetId: crypto.toBase58(new Uint8Array(32).fill(6)),
			attachment: crypto.toBase58(new Uint8Array(140).fill(7)) }, none),
		await data(2),
	]);
	add(n, poa(8), [atomic(other, n, [
		await data(3, badge),
		await make('Permit', 2, m, { target: user.address, ...due, ...badge }),
		await make('Transfer', 3, user, { recipient: m.address, amount: 1,
			attachment: '', ...badge }, { assetId: null, feeAssetId: null }),
	]), await data(1)]);
	add(m, consensus.pos(153722867, new Uint8Array(32).fill(9)), [await data(2)]);
	add(n, consensus.cft([], 2), [await data(2)]);
	addVoted(m, [n, o], [await data(1)]);
	add(o, poa(9), [], [1, 2, 15, 120]);
	// what we cannot write: a call of a contract, and more features
	add(m, poa(9), [{ bytes: Buffer.from('000000', 'hex'), json: { type: 104,
		version: 2, id: first.slice(0, 44), fee: 5, params: [] } }, await data(2)]);
	add(n, poa(9), [await data(2)], [1, 2, 3, 4, 5]);
	add(m, poa(9));
	fs.writeFileSync(process.argv[2], `${JSON.stringify({
		meta: 'made by tests/clients/we_blocks.js',
		generators: [m, n, o].map((a) => a.publicKey), blocks }, null, 1)}\n`);
}

main();
