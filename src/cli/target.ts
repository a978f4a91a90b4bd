import { PlatformError } from '#base/errors';
import { isName } from '#base/name';

/** What a person means by `shop`, `shop/web`, `shop/web.2` or the full id `shop.web.2-7`. */
export interface Target {
  readonly app: string;
  readonly service?: string;
  readonly slot?: number;
  /** Only when the full id was given. */
  readonly id?: string;
}

/** INVALID says what the forms are. */
export function parseTarget(text: string): Target {
  const full = /^([^./]+)\.([^./]+)\.(\d{1,6})-\d{1,12}$/.exec(text);
  if (full?.[1] !== undefined && full[2] !== undefined && isName(full[1]) && isName(full[2])) {
    return { app: full[1], service: full[2], slot: Number(full[3]), id: text };
  }
  const short = /^([^./]+)(?:\/([^./]+)(?:\.(\d{1,6}))?)?$/.exec(text);
  const [, app, service, slot] = short ?? [];
  if (app === undefined || !isName(app) || (service !== undefined && !isName(service))) {
    throw new PlatformError('INVALID', `Cannot tell what "${text}" is. Next: write an app (shop), a service (shop/web) or an instance (shop/web.2)`);
  }
  return { app, ...(service === undefined ? {} : { service }), ...(slot === undefined ? {} : { slot: Number(slot) }) };
}

/** A target that names a service; INVALID if it names only an app. */
export function parseServiceTarget(text: string): Target & { readonly service: string } {
  const target = parseTarget(text);
  if (target.service === undefined) {
    throw new PlatformError('INVALID', `Cannot tell which service of "${text}" is meant. Next: write it as ${target.app}/SERVICE, such as ${target.app}/web`);
  }
  return { ...target, service: target.service };
}

/** `shop/web=5`, and after it `api=2` of the same app. INVALID says how to write it. */
export function parseScale(texts: readonly string[]): readonly { readonly app: string; readonly service: string; readonly count: number }[] {
  let app: string | undefined;
  return texts.map((text) => {
    const [, before, service = '', count = ''] = /^(?:([^/=]+)\/)?([^/=]+)=(\d{1,6})$/.exec(text) ?? [];
    app = before ?? app;
    if (app === undefined || !isName(app) || !isName(service)) {
      throw new PlatformError('INVALID', `Cannot scale "${text}". Next: write APP/SERVICE=COUNT, such as shop/web=5`);
    }
    return { app, service, count: Number(count) };
  });
}
