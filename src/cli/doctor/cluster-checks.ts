import type { StatusView } from '@haven/sdk';
import { plural } from '../output.ts';
import type { GatewayTraffic } from '../traffic.ts';
import type { Finding } from './finding.ts';

const SKEW_WARN_MS = 1_000;

/** What is worth knowing of a cluster that answers. `traffic` has each gateway's own answer by name, absent if it gave none. */
export function clusterFindings(
  status: StatusView,
  { traffic, wallNow }: { readonly traffic: ReadonlyMap<string, GatewayTraffic>; readonly wallNow: number },
): readonly Finding[] {
  return [
    skewFinding(status.now - wallNow),
    status.leader
      ? { check: 'leader', verdict: 'ok', found: `${status.leader.name}, epoch ${status.leader.epoch}` }
      : { check: 'leader', verdict: 'fail', found: 'nobody leads: no deploy or failover goes on', next: 'wait 15 s; then see the control log' },
    ...nodeFindings(status),
    ...gatewayFindings(status, traffic),
    ...(status.attention.length === 0
      ? []
      : [{ check: 'attention', verdict: 'warn', found: status.attention.join('; '), next: 'haven status' } satisfies Finding]),
  ];
}

function skewFinding(skewMs: number): Finding {
  const found = `the cluster's clock differs from this one by ${Math.abs(Math.round(skewMs))} ms`;
  if (Math.abs(skewMs) < SKEW_WARN_MS) return { check: 'clock skew', verdict: 'ok', found };
  return { check: 'clock skew', verdict: 'warn', found, next: 'set both clocks, for example with NTP; ages and times shown are off by as much' };
}

function nodeFindings({ nodes }: StatusView): readonly Finding[] {
  if (nodes.length === 0) return [{ check: 'nodes', verdict: 'warn', found: 'none', next: 'haven pool create worker --nodes 3' }];
  const wanted = nodes.filter((node) => node.power === 'on');
  const away = wanted.filter((node) => node.condition !== 'ready');
  const unlimited = wanted.filter((node) => node.limits === 'none').map((node) => node.name);
  return [
    {
      check: 'nodes',
      verdict: away.length === 0 ? 'ok' : away.length === wanted.length ? 'fail' : 'warn',
      found: away.length === 0 ? `${plural(wanted.length, 'node')} ready` : away.map((node) => `${node.name} is ${node.condition}`).join(', '),
      ...(away.length === 0 ? {} : { next: `haven why ${away[0]?.name}` }),
    },
    ...(unlimited.length === 0
      ? []
      : [{ check: 'limits', verdict: 'warn', found: `no limits of cpu and memory on ${unlimited.join(', ')}`, next: 'see "cgroups" above' } satisfies Finding]),
  ];
}

function gatewayFindings({ gateways, store }: StatusView, traffic: ReadonlyMap<string, GatewayTraffic>): readonly Finding[] {
  if (gateways.length === 0) return [{ check: 'gateway', verdict: 'fail', found: 'none has reported', next: 'see the gateway log' }];
  return gateways.map((gateway): Finding => {
    const answer = traffic.get(gateway.name);
    const check = gateway.name;
    if (!answer) {
      const { host, port } = gateway.adminAddress;
      return { check, verdict: 'fail', found: `no answer at ${host}:${port}`, next: 'see the gateway log; it is restarted if it ended' };
    }
    const found = `routes up to revision ${gateway.appliedRevision} are in force (the store is at ${store.revision})`;
    if (answer.controlConnected !== false) return { check, verdict: 'ok', found };
    return {
      check,
      verdict: 'warn',
      found: `${found}; it serves without the control plane, ${answer.routesAgeSeconds ?? '?'} s old`,
      next: 'see the control log',
    };
  });
}
