import { drain } from '../node/drain.ts';
import { Simulation, type SimulationOptions } from '../simulated/simulation.ts';

/** A simulation for tests of any module, with the one thing it needs from the machine: a way to let all microtasks run. */
export function startSimulation(options: Omit<SimulationOptions, 'drain'>): Simulation {
  return new Simulation({ ...options, drain });
}
