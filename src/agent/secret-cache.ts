import { hasCode } from '#base/errors';
import type { InstanceId } from '#model/instance';
import type { SecretSource } from './sources.ts';

/** Secrets as last read, in memory only: an instance that ends while control is away can be started again. */
export class SecretCache implements SecretSource {
  readonly #source: SecretSource;
  readonly #valuesByInstance = new Map<InstanceId, Readonly<Record<string, string>>>();

  constructor(source: SecretSource) {
    this.#source = source;
  }

  async read(names: readonly string[], options: { readonly instance: InstanceId; readonly signal: AbortSignal }): Promise<Readonly<Record<string, string>>> {
    try {
      const values = await this.#source.read(names, options);
      this.#valuesByInstance.set(options.instance, values);
      return values;
    } catch (error) {
      const known = this.#valuesByInstance.get(options.instance);
      if (known && (hasCode(error, 'UNAVAILABLE') || hasCode(error, 'TIMEOUT'))) return known;
      throw error;
    }
  }

  forget(instance: InstanceId): void {
    this.#valuesByInstance.delete(instance);
  }
}
