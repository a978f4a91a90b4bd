import { deepEqual, equal, ok, throws } from 'node:assert/strict';
import { createHash, createPublicKey, verify } from 'node:crypto';
import { test } from 'node:test';
import { AccountKey } from './account-key.ts';

test('a request is a JWS that its key verifies: with the key itself as long as there is no account, else with its address', () => {
  const key = new AccountKey(AccountKey.make());
  for (const kid of [undefined, 'https://ca.test/account/1']) {
    const { protected: head, payload, signature } = JSON.parse(key.sign({ url: 'https://ca.test/order', nonce: 'n1', kid }, { a: 1 }));
    deepEqual(decoded(head), { alg: 'ES256', ...(kid === undefined ? { jwk: key.jwk } : { kid }), nonce: 'n1', url: 'https://ca.test/order' });
    deepEqual(decoded(payload), { a: 1 });
    const publicKey = { key: createPublicKey({ key: { ...key.jwk }, format: 'jwk' }), dsaEncoding: 'ieee-p1363' } as const;
    ok(verify('sha256', Buffer.from(`${head}.${payload}`), publicKey, Buffer.from(signature, 'base64url')));
  }
  equal(JSON.parse(key.sign({ url: 'https://ca.test/order', nonce: 'n2', kid: 'x' }, undefined)).payload, '');
});

test('an authorization is the token and the thumbprint of the public key, with its members in the order of RFC 7638', () => {
  const pem = AccountKey.make();
  const key = new AccountKey(pem);
  deepEqual(Object.keys(key.jwk), ['crv', 'kty', 'x', 'y']);
  const { crv, kty, x, y } = key.jwk;
  const thumbprint = createHash('sha256').update(`{"crv":"${crv}","kty":"${kty}","x":"${x}","y":"${y}"}`).digest('base64url');
  equal(key.authorizationOf('token-1'), `token-1.${thumbprint}`);
  deepEqual(new AccountKey(pem).jwk, key.jwk);
});

test('what is no key is refused', () => {
  throws(() => new AccountKey('no key'));
});

function decoded(text: string): unknown {
  return JSON.parse(Buffer.from(text, 'base64url').toString());
}
