/** What a node has and an instance asks for. */
export interface Resources {
  /** Cores; 0.25 is a quarter of one. */
  readonly cpu: number;
  readonly memoryBytes: number;
}

export const NO_RESOURCES: Resources = { cpu: 0, memoryBytes: 0 };

export function addResources(a: Resources, b: Resources): Resources {
  return { cpu: a.cpu + b.cpu, memoryBytes: a.memoryBytes + b.memoryBytes };
}
