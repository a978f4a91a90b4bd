import { deepEqual, ok, rejects } from 'node:assert/strict';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { test } from 'node:test';
import { startDns } from './fixture-dns.ts';
import { lookUpWith } from './look-up.ts';

const never = new AbortController().signal;

test('a server that is named is the only one that is asked', async () => {
  await using dns = await startDns(new Map([['api.test', { addresses: ['10.0.0.2', '10.0.0.1'], ttlSeconds: 7 }]]));
  const lookUp = lookUpWith([dns.address]);
  deepEqual(await lookUp('api.test', never), { addresses: ['10.0.0.2', '10.0.0.1'], ttlSeconds: 7 });
  await rejects(lookUp('localhost', never), /Cannot find an address of "localhost"/);
});

test('a name without addresses is not found, and a look-up that is given up ends at once', async () => {
  await using dns = await startDns(new Map([['empty.test', { addresses: [], ttlSeconds: 7 }]]));
  await rejects(lookUpWith([dns.address])('empty.test', never), /Cannot find an address of "empty.test"/);
  dns.isSilent = true;
  const stopping = new AbortController();
  const waiting = lookUpWith([dns.address])('empty.test', stopping.signal);
  stopping.abort(new Error('enough'));
  await rejects(waiting, /enough/);
});

const ownAddress = await lookup(hostname()).catch(() => undefined);

test('without a server of its own, names of the hosts file are found', {
  skip: ownAddress === undefined && 'this machine does not know its own name',
}, async () => {
  const { addresses } = await lookUpWith()(hostname(), never);
  ok(addresses.length > 0 && addresses.every((address) => isIP(address) !== 0));
});
