import { deepEqual } from 'node:assert/strict';
import { test } from 'node:test';
import { clientPoliciesOf } from './client-policies.ts';

const open = { name: 'open', matches: [{ host: '*', path: '/' }] };
const closed = { name: 'closed', matches: [{ host: 'closed.test', path: '/' }], authorities: 'one', isRequired: true };

test('a host all of whose services want a certificate insists on it in the handshake, though another service has the requests for any other host', () => {
  deepEqual(
    clientPoliciesOf([open, closed]).policies.map(({ host, isRequired }) => [host, isRequired]),
    [['closed.test', true]],
  );
  const half = { ...closed, matches: [{ host: 'closed.test', path: '/closed' }] };
  deepEqual(
    clientPoliciesOf([open, half]).policies.map(({ host, isRequired }) => [host, isRequired]),
    [['closed.test', false]],
  );
});

test('two authorities are a conflict only for a host whose requests reach both', () => {
  const other = { ...open, authorities: 'other', isRequired: true };
  deepEqual(clientPoliciesOf([other, closed]).conflicts, []);
  deepEqual(clientPoliciesOf([other, { ...closed, matches: [{ host: 'closed.test', path: '/closed' }] }]).conflicts, ['closed.test']);
});
