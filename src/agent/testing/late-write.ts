import { PlatformError } from '#base/errors';
import type { StoreView } from '#model/store-view';

/** A view whose first write gets no answer; it arrives when a function that is put in `late` is called. */
export function withLateFirstWrite(view: StoreView, late: (() => void)[]): StoreView {
  let isFirst = true;
  return {
    ...view,
    write: async (writes) => {
      if (!isFirst) return await view.write(writes);
      isFirst = false;
      late.push(() => void view.write(writes).catch(() => undefined));
      throw new PlatformError('TIMEOUT', 'Nobody answered in time');
    },
  };
}
