import { clockConformance } from '../conformance/clock-conformance.ts';
import { diskConformance } from '../conformance/disk-conformance.ts';
import { networkConformance } from '../conformance/network-conformance.ts';
import { randomConformance } from '../conformance/random-conformance.ts';
import { realWorld } from '../conformance/real-world.ts';

const real = realWorld();
clockConformance(real);
randomConformance(real);
diskConformance(real);
networkConformance(real);
