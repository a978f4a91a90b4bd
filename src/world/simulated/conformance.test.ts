import { clockConformance } from '../conformance/clock-conformance.ts';
import { diskConformance } from '../conformance/disk-conformance.ts';
import { lockConformance } from '../conformance/lock-conformance.ts';
import { networkConformance } from '../conformance/network-conformance.ts';
import { processesConformance } from '../conformance/processes-conformance.ts';
import { randomConformance } from '../conformance/random-conformance.ts';
import { virtualWorld } from '../conformance/virtual-world.ts';

for (const seed of [1, 2, 3]) {
  const simulated = virtualWorld(seed);
  clockConformance(simulated);
  randomConformance(simulated);
  diskConformance(simulated);
  lockConformance(simulated);
  networkConformance(simulated);
  processesConformance(simulated);
}
