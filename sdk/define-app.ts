import type { AppConfig, AppSettings, ServiceConfig } from './config.ts';

/** Each key is a setting of the app or else a service. */
type AppShape<Config> = AppSettings & { readonly [Key in keyof Config]: Key extends keyof AppSettings ? AppSettings[Key] : ServiceConfig };

/** The config as it is, checked by the compiler: `export default defineApp({ name: 'shop', web: { run: { process: 'node server.js' } } })`. */
export function defineApp<const Config extends object>(config: AppShape<Config>): AppConfig {
  return config as unknown as AppConfig;
}
