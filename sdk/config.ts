/** The shape of `haven.config.ts`: plain data, validated by the cluster. What is left out has the default named here. */

/** A number with a unit: `'250ms'`, `'10s'`, `'5m'`, `'2h'`, `'1d'`. */
export type Duration = string;

/** A number with a unit: `'512Mi'`, `'1.5Gi'`, `'10G'`. */
export type Size = string;

/** `'25%'`: of the service's count. */
export type Percent = `${number}%`;

/** One program, never a shell line: split at spaces, with `'…'` and `"…"` around words that contain some. Or the words themselves. */
export type Command = string | readonly string[];

/** A command that must end within its timeout. */
export interface TimedCommand {
  readonly run: Command;
  /** `'10m'` */
  readonly timeout?: Duration;
}

/** How an instance runs. */
export interface Run {
  readonly process: Command;
}

/** How health is asked for: `'/path'` is an HTTP check of that path. */
export interface Health {
  /** Gates the other two; by default what `ready` asks when `health` is one path, else that the port is open. */
  readonly startup?: string | StartupCheckConfig;
  /** Asked by the gateways: only instances that pass get requests. */
  readonly ready?: string | CheckConfig;
  /** Asked by the node: an instance that fails is restarted. Without it only the end of the process counts. */
  readonly alive?: string | CheckConfig;
}

export interface Probe {
  /** A path that answers 2xx. */
  readonly http?: string;
  /** The port is open. */
  readonly tcp?: true;
}

export interface StartupCheckConfig extends Probe {
  /** `'250ms'` */
  readonly interval?: Duration;
  /** Of one question: `'2s'` */
  readonly timeout?: Duration;
  /** How long starting may take altogether: `'60s'` */
  readonly startTimeout?: Duration;
}

export interface CheckConfig extends Probe {
  /** `'5s'`; quicker while something changes. */
  readonly interval?: Duration;
  /** Of one question: `'2s'` */
  readonly timeout?: Duration;
  /** Answers in a row that make it passing: 2 */
  readonly rise?: number;
  /** Answers in a row that make it failing: 3 */
  readonly fall?: number;
}

/** How a new release takes the place of the old one. */
export interface Update {
  /** How many instances change at a time: 1 */
  readonly maxParallel?: number;
  /** How many may run on top of the count meanwhile: 1, or 0 with `hostPort`. A percentage is rounded up. */
  readonly maxSurge?: number | Percent;
  /** How many may be missing meanwhile: 0, or 1 if `maxSurge` is 0. A percentage is rounded down. */
  readonly maxUnavailable?: number | Percent;
  /** How long an instance must be healthy without a break to count: `'10s'` */
  readonly minHealthy?: Duration;
  /** How long it may take to get there, from when its files are on the node: `'5m'` */
  readonly healthyDeadline?: Duration;
  /** How long a deploy may go on without another healthy instance: `'10m'` */
  readonly progressDeadline?: Duration;
  /** Go back to the last stable release when a deploy fails: true */
  readonly autoRevert?: boolean;
  /** Instances of the new release placed next to all old ones first, at full weight; the rest follows when they are healthy: 0 */
  readonly canary?: number;
  /** Canaries are promoted by themselves once healthy for `minHealthy`: true. By hand, so false, is refused in this version. */
  readonly autoPromote?: boolean;
}

/** How an instance is stopped. */
export interface Stop {
  /** How long gateways may take to stop using it: `'5s'` */
  readonly unroute?: Duration;
  /** How long requests in flight may go on: `'30s'` */
  readonly drain?: Duration;
  /** How long it may take after SIGTERM before SIGKILL: `'10s'` */
  readonly kill?: Duration;
}

/** How an instance that ended is started again on its node. */
export interface Restart {
  /** Before the first restart, doubled each time: `'1s'` */
  readonly delay?: Duration;
  /** `'60s'`, at most `'5m'` */
  readonly maxDelay?: Duration;
  /** Restarts within the window before another node is tried: 5 */
  readonly attempts?: number;
  /** `'10m'` */
  readonly window?: Duration;
  /** Healthy for so long, and earlier restarts are forgotten: `'10m'` */
  readonly resetAfter?: Duration;
}

/** On which nodes instances may run. */
export interface Placement {
  /** `'spread'`: on as many nodes as possible; `'bin-pack'`: on as few. */
  readonly policy?: 'spread' | 'bin-pack';
  readonly pool?: string;
  /** Labels a node must have. */
  readonly constraints?: Readonly<Record<string, string>>;
}

/** Which requests reach the service; or, with `tcp` alone, the port of the gateways whose connections are carried to it as they are. */
export interface RouteConfig {
  /** `5432` */
  readonly tcp?: number;
  /** Exact, or `'*'` for any: `'*'` */
  readonly host?: string;
  /** All paths at and below this one: `'/'` */
  readonly path?: string;
  /** By HTTPS only, with a certificate of the cluster's own authority; requests by HTTP are sent there: `'internal'` */
  readonly tls?: 'internal';
}

/** How gateways treat the requests of a service. */
export interface TrafficConfig {
  /** How long the share of an instance that came or came back grows, from a tenth: `'30s'` */
  readonly slowStart?: Duration;
  /** Tries after the first, elsewhere, only where nothing can be done twice: 2 */
  readonly retries?:
    | number
    | {
        readonly count?: number;
        /** Repeated too, if the request may be: answers of these statuses, and tries that took too long. None. */
        readonly on?: readonly ('502' | '503' | '504' | 'timeout')[];
        /** A request with an `Idempotency-Key` may be repeated, whatever its method: false */
        readonly idempotencyKey?: boolean;
      };
  /** Beyond it: 429 with `Retry-After`. Each worker of each gateway counts for itself. */
  readonly rateLimit?: { readonly rate: string; readonly burst?: number; readonly per?: 'client' | 'service' };
  /** To connect, to the head of the answer, between its parts, and for all of it (no limit): `{ connect: '2s', answer: '60s', idle: '60s' }` */
  readonly timeouts?: { readonly connect?: Duration; readonly answer?: Duration; readonly idle?: Duration; readonly total?: Duration };
  /** Body of a request, requests of one instance at once, requests that wait: `{ body: '1Gi', waiting: 512 }` */
  readonly limits?: { readonly body?: Size; readonly inFlight?: number; readonly waiting?: number };
  /** When an instance is taken out for what it answers, 0 turns a reason off: `{ failures: 5, errors: 10, slower: 3, for: '10s' }` */
  readonly ejection?: { readonly failures?: number; readonly errors?: number; readonly slower?: number; readonly for?: Duration };
  /** Below this share of healthy instances all get requests; 0: never. 0.5 */
  readonly panic?: number;
  /** Whether the first standby serves when nobody else can, or all do: `'first'` */
  readonly backups?: 'first' | 'all';
  /** WebSockets and TCP connections at a standby are ended within so long once another instance serves again; without it they go on: `'30s'` */
  readonly backupDrain?: Duration;
  /** Fields whose names have other characters than letters, digits and hyphens, which some platforms read as hyphens; without it they are passed on */
  readonly oddFieldNames?: 'drop' | 'refuse';
}

/** One service of an app. */
export interface ServiceConfig {
  readonly run: Run;
  /** Runs once per node and release before the first start. */
  readonly install?: Command | TimedCommand;
  /** It listens on the port given to it in `PORT`; the number says where it listens elsewhere, on your machine for example. */
  readonly port?: number;
  /** Listen on exactly this port of the node; at most one instance per node. */
  readonly hostPort?: number;
  /** `'/healthz'` is a startup check and a ready check. */
  readonly health?: string | Health;
  /** Instances: 1, or 2 in mode `'active-standby'`. */
  readonly count?: number;
  /** `'balanced'`: all instances get requests; `'active-standby'`: one does while the others stand by. */
  readonly mode?: 'balanced' | 'active-standby';
  /** Which instance gets a request: `'round-robin'`, `'least-request'`, `'peak-ewma'`, `'hash?on=header:x-user'`, `'sticky'` … A change restarts nothing. */
  readonly balance?: string;
  /** How gateways treat its requests. A change restarts nothing. */
  readonly traffic?: TrafficConfig;
  /** What each instance is given: `{ cpu: 0.1, memory: '256Mi' }` */
  readonly resources?: { readonly cpu?: number; readonly memory?: Size };
  readonly update?: Update;
  readonly stop?: Stop;
  readonly restart?: Restart;
  /** Short for `placement: { policy: 'spread' }`, which is the default. */
  readonly spread?: 'node';
  readonly placement?: Placement;
  readonly routes?: readonly RouteConfig[];
  readonly env?: Readonly<Record<string, string>>;
  /** How long getting the app's files may take: `'10m'` */
  readonly fetchTimeout?: Duration;
}

/** Everything about an app that is not a service. */
export interface AppSettings {
  readonly name: string;
  /** Environment of every service. */
  readonly env?: Readonly<Record<string, string>>;
  /** Names of secrets, given to every service as environment variables. Never their values. */
  readonly secrets?: readonly string[];
  /** Runs once per deploy, before anything is placed. */
  readonly release?: Command | TimedCommand;
  /** What goes back when a service fails: that service, or the whole app. `'service'` */
  readonly revertScope?: 'service' | 'app';
  /** What differs in an environment: every object of the config is overridden key by key, one level deep. */
  readonly environments?: Readonly<Record<string, EnvironmentConfig>>;
}

/** The overrides of one environment: settings, and services by name. */
export type EnvironmentConfig = Partial<Omit<AppSettings, 'name' | 'environments'>> & {
  readonly [service: string]: Partial<ServiceConfig> | AppSettings[keyof AppSettings];
};

/** An app: its settings, and every other key is a service. `defineApp` checks services more strictly than this type can. */
export type AppConfig = AppSettings & { readonly [service: string]: ServiceConfig | AppSettings[keyof AppSettings] };
