/** Where tests of the rollout policy begin, and what may happen to a modelled service. Not part of the product. */
import { assert } from '#base/assert';
import type { Name } from '#base/name';
import { type ModelOptions, ServiceModel } from './service-model.ts';

/** Every delay is half of what it may be. */
const steady = (): number => 0.5;

/** A service on three nodes that nothing was deployed of yet. */
export function model(options: Partial<ModelOptions> = {}): ServiceModel {
  return new ServiceModel({ nodes: 3, count: 3, luck: steady, ...options });
}

/** `2 r1 worker-3 run`: slot, release, node and intent of each instance. */
export function shape(service: ServiceModel): string[] {
  return [...service.instances.values()].map((each) => `${each.slot} r${each.release} ${each.node} ${each.intent.kind}`).sort();
}

/** One whose release 1 runs, healthy for a while. */
export function stable(options: Partial<ModelOptions> = {}): ServiceModel {
  const service = model(options);
  service.deploy('good');
  run(service, 30_000);
  const { rollout } = service.state;
  assert(rollout.phase === 'idle' && rollout.release === 1, `release 1 is ${rollout.phase}`);
  return service;
}

/** Of the rollout. */
export function phase(service: ServiceModel): string {
  return service.state.rollout.phase;
}

/** Lets time pass, a step at a time. */
export function run(service: ServiceModel, forMs: number, stepMs = 250): void {
  for (let passed = 0; passed < forMs; passed += stepMs) service.step(stepMs);
}

/** The node is heard no more; without power what is on it is dead. */
export function fail(service: ServiceModel, name: string, { power }: { readonly power: boolean }): void {
  const node = service.nodes.get(name as Name);
  assert(node !== undefined, `there is no ${name}`);
  node.heard = false;
  node.powered = power;
}

/** How many instances each node has that has any, most first. */
export function crowds(service: ServiceModel): number[] {
  const nodes = [...service.instances.values()].map(({ node }) => node);
  return [...new Set(nodes)].map((node) => nodes.filter((each) => each === node).length).sort((a, b) => b - a);
}

/** Luck that is the same for the same seed. */
export function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
