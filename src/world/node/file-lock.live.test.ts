import { lockConformance } from '../conformance/lock-conformance.ts';
import { realWorld } from '../conformance/real-world.ts';

lockConformance(realWorld());
