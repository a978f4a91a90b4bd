import type { ServiceSpec } from '#model/spec';
import type { World } from '#world/world';
import { ProcessRuntime } from './process-runtime.ts';
import type { Runtime } from './runtime.ts';

type RuntimeParts = ConstructorParameters<typeof ProcessRuntime>[1];

/** Every way to run an instance, by the kind its spec names. */
export const RUNTIMES: Readonly<Record<ServiceSpec['run']['kind'], (world: World, parts: RuntimeParts) => Runtime>> = {
  process: (world, parts) => new ProcessRuntime(world, parts),
};
