import { assert } from '#base/assert';
import type { Name } from '#base/name';
import { isName } from '#base/name';
import type { InstanceId } from '#model/instance';

interface SlotOf {
  readonly app: Name;
  readonly service: Name;
  readonly slot: number;
}

const ARTIFACT = /^sha256-[0-9a-f]{64}$/;
const INSTANCE_ID = /^[a-z0-9-]{1,40}\.[a-z0-9-]{1,40}\.\d{1,6}-\d{1,12}$/;

/** True for the content address of an archive: `sha256-` and 64 hexadecimal digits. */
export function isArtifact(text: string): boolean {
  return ARTIFACT.test(text);
}

export function isInstanceId(text: string): text is InstanceId {
  return INSTANCE_ID.test(text);
}

/** Where an agent keeps what it has. No name reaches a path unchecked. */
export class AgentFolders {
  /** The agent's home. */
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  get instances(): string {
    return `${this.root}/instances`;
  }

  get releases(): string {
    return `${this.root}/releases`;
  }

  get logs(): string {
    return `${this.root}/logs`;
  }

  /** What control wanted last, for the time when nobody can be asked. */
  get known(): string {
    return `${this.root}/known-instances.json`;
  }

  instance(id: InstanceId): string {
    assert(isInstanceId(id), `"${id}" is not an instance id`);
    return `${this.instances}/${id}`;
  }

  record(id: InstanceId): string {
    return `${this.instance(id)}/record.json`;
  }

  /** HAVEN_DATA: writable, of the slot, and there again for the next attempt. */
  data(slot: SlotOf): string {
    return `${this.root}/data/${slotPath(slot)}`;
  }

  logsOf(slot: SlotOf): string {
    return `${this.logs}/${slotPath(slot)}`;
  }

  release(artifact: string): string {
    assert(isArtifact(artifact), `"${artifact}" is not an artifact`);
    return `${this.releases}/${artifact}`;
  }
}

function slotPath({ app, service, slot }: SlotOf): string {
  assert(isName(app) && isName(service) && Number.isInteger(slot), 'an instance has an app, a service and a slot');
  return `${app}/${service}.${slot}`;
}
