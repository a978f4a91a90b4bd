import { messageOf } from '#base/errors';
import { runRandomScenario } from './random-scenario.ts';

// Runs the random scenario of one seed, or of FIRST … LAST, and tells what came of it. The same seed does the same every time.
const [first = 1, last = first] = process.argv.slice(2).map(Number);
for (let seed = first; seed <= last; seed++) {
  try {
    const { cluster, convergedAfterMs } = await runRandomScenario(seed);
    process.stdout.write(`seed ${seed}: settled ${Math.round(convergedAfterMs)} ms after healing, trace ${cluster.simulation.traceHash()}\n`);
    if (process.env['TRACE'] !== undefined) process.stdout.write(`${cluster.simulation.trace.join('\n')}\n`);
  } catch (error) {
    process.stdout.write(`${messageOf(error)}\n`);
    process.exitCode = 1;
  }
}
