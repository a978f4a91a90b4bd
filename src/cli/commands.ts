import type { CommandDefinition } from './command.ts';

const environmentOption = ['--env <name>', "use the config's environment of that name"] as const;
const setOption = ['--set <VARIABLE=value>', 'set an environment variable of every service; may be repeated', 'repeatable'] as const;
const followOptions = [
  ['--no-wait', 'leave as soon as it is accepted'],
  ['--timeout <duration>', 'stop following after this, with exit code 5; the deploy goes on'],
] as const;
const acceptedOnly = ['--no-wait', 'leave as soon as it is accepted'] as const;

/** Every command of `haven`. A new one is one file and one entry here; help, completion and the reference follow from it. */
export const COMMANDS: readonly CommandDefinition[] = [
  {
    usage: 'start [app]',
    summary: 'start Haven here, deploy an app (the example shop) on 3 local nodes, and show it live until Ctrl-C',
    options: [['--nodes <n>', 'local nodes of the pool "worker" (3)']],
    examples: ['haven start', 'haven start ./my-app'],
    load: () => import('./commands/start.ts'),
  },
  {
    usage: 'up',
    summary: 'start Haven on this machine, in the background',
    options: [['--foreground', 'stay, and stop everything on Ctrl-C']],
    examples: ['haven up', 'HAVEN_PORT_BASE=8800 haven up'],
    load: () => import('./commands/up.ts'),
  },
  {
    usage: 'down',
    summary: 'stop Haven on this machine and all it runs; apps come back with the next "haven up"',
    examples: ['haven down'],
    load: () => import('./commands/down.ts'),
  },
  {
    usage: 'pool create <name>',
    summary: 'make a pool of nodes, or change how many it has',
    options: [
      ['--no-wait', 'do not wait until they are ready'],
      ['--nodes <n>', 'how many (1)'],
      ['--cpu <cores>', 'cores of each node'],
      ['--memory <size>', 'memory of each node, such as 2Gi'],
    ],
    examples: ['haven pool create worker --nodes 3'],
    load: () => import('./commands/pool-create.ts'),
  },
  { usage: 'pool ls', summary: 'list pools', examples: ['haven pool ls --json'], load: () => import('./commands/pool-ls.ts') },
  {
    usage: 'pool rm <name>',
    summary: 'drain and remove the nodes of a pool',
    options: [['-y, --yes', 'do not ask'], acceptedOnly],
    examples: ['haven pool rm worker'],
    completes: 'pool',
    load: () => import('./commands/pool-rm.ts'),
  },
  { usage: 'node ls', summary: 'list nodes with their condition and load', examples: ['haven node ls'], load: () => import('./commands/node-ls.ts') },
  {
    usage: 'node drain <nodes...>',
    summary: 'move all instances off nodes, replacements first, and wait until nothing is left',
    options: [
      ['--deadline <duration>', 'after this, what is left is stopped (15m); 0 stops all at once'],
      ['--reason <text>', 'kept with the node and shown by "node ls"'],
      acceptedOnly,
    ],
    examples: ['haven node drain worker-1', 'haven node drain worker-1 worker-2 --deadline 5m'],
    completes: 'node',
    load: () => import('./commands/node-drain.ts'),
  },
  {
    usage: 'node undrain <nodes...>',
    summary: 'end a drain and allow placements again',
    examples: ['haven node undrain worker-1'],
    completes: 'node',
    load: () => import('./commands/node-undrain.ts'),
  },
  {
    usage: 'node cordon <nodes...>',
    summary: 'allow no new placements on nodes; what runs there stays',
    options: [['--reason <text>', 'kept with the node and shown by "node ls"']],
    examples: ['haven node cordon worker-1 --reason "disk is being replaced"'],
    completes: 'node',
    load: () => import('./commands/node-cordon.ts'),
  },
  {
    usage: 'node uncordon <nodes...>',
    summary: 'allow placements on nodes again',
    examples: ['haven node uncordon worker-1'],
    completes: 'node',
    load: () => import('./commands/node-uncordon.ts'),
  },
  {
    usage: 'node power <node> <state>',
    summary: 'pull the plug of a local node ("off": agent and instances end at once) or put it back ("on")',
    examples: ['haven node power worker-2 off'],
    completes: 'node',
    load: () => import('./commands/node-power.ts'),
  },
  {
    usage: 'plan [config]',
    summary: 'say what a deploy would change, without changing anything',
    options: [environmentOption, setOption, ['--exit-code', 'exit 10 when there are changes']],
    examples: ['haven plan', 'haven plan ./shop --env staging --exit-code'],
    load: () => import('./commands/plan.ts'),
  },
  {
    usage: 'deploy [config]',
    summary: 'deploy an app and follow it until it is healthy, reverted or failed',
    details:
      'The folder of the config is uploaded once for each content. Ctrl-C stops following, never the deploy. With --json: one event a line, the last is the result.',
    options: [
      environmentOption,
      setOption,
      ...followOptions,
      ['--if-revision <n>', 'only if the app is still at this revision, as "plan --json" tells it; 0: only if it is new'],
    ],
    examples: ['haven deploy', 'haven deploy ./shop --env staging', 'haven deploy ./shop --set LOG_LEVEL=debug', 'haven deploy ./shop --json | jq .'],
    load: () => import('./commands/deploy.ts'),
  },
  {
    usage: 'ps [app]',
    summary: 'list instances: where they run, since when, how healthy',
    examples: ['haven ps', 'haven ps shop --json'],
    completes: 'app',
    load: () => import('./commands/ps.ts'),
  },
  {
    usage: 'status [app]',
    summary: 'nodes, apps, routes and what needs attention',
    options: [
      ['--watch', 'keep showing it'],
      ['--interval <duration>', 'how often with --watch (1s)'],
    ],
    examples: ['haven status', 'haven status --watch'],
    completes: 'app',
    load: () => import('./commands/status.ts'),
  },
  {
    usage: 'logs <target>',
    summary: 'output of all instances of an app, a service or one instance, across restarts',
    options: [
      ['-f, --follow', 'keep going'],
      ['--tail <n>', 'begin with the last n lines of each instance (100)'],
    ],
    examples: ['haven logs shop', 'haven logs shop/web -f', 'haven logs shop/web.2 --tail 20'],
    completes: 'target',
    load: () => import('./commands/logs.ts'),
  },
  {
    usage: 'scale <target...>',
    summary: 'change how many instances a service has',
    options: [
      ['--no-wait', 'do not wait until they run'],
      ['--timeout <duration>', 'stop waiting after this, with exit code 5 (2m)'],
    ],
    examples: ['haven scale shop/web=5', 'haven scale shop/web=5 api=2'],
    completes: 'service',
    load: () => import('./commands/scale.ts'),
  },
  {
    usage: 'restart <target>',
    summary: 'start the instances of a service anew, or one of them, with fresh counters',
    options: [
      ['--no-wait', 'do not wait until they run again'],
      ['--timeout <duration>', 'stop waiting after this, with exit code 5 (2m)'],
    ],
    examples: ['haven restart shop/web', 'haven restart shop/web.2'],
    completes: 'target',
    load: () => import('./commands/restart.ts'),
  },
  {
    usage: 'switch <service>',
    summary: 'make a standby of an active/standby service the active instance',
    options: [['--to <slot>', 'which one: 2 for api.2 (a running standby)'], acceptedOnly],
    examples: ['haven switch shop/api', 'haven switch shop/api --to 1'],
    completes: 'service',
    load: () => import('./commands/switch.ts'),
  },
  {
    usage: 'rollback <app>',
    summary: 'deploy an earlier release again',
    options: [['--to <release>', 'which one (the last stable one that differs)'], ...followOptions],
    examples: ['haven rollback shop', 'haven rollback shop --to 3'],
    completes: 'app',
    load: () => import('./commands/rollback.ts'),
  },
  {
    usage: 'rm <app>',
    summary: 'stop and remove an app',
    options: [['-y, --yes', 'do not ask'], acceptedOnly],
    examples: ['haven rm shop --yes'],
    completes: 'app',
    load: () => import('./commands/rm.ts'),
  },
  {
    usage: 'events [object]',
    summary: 'what happened and why, newest last',
    details:
      'An object is an app with all it has (shop), a service (shop/web), or the full form that events show: instance/shop.web.2-7, node/worker-1, gateway/gateway-1.',
    options: [
      ['-f, --follow', 'keep going'],
      ['--tail <n>', 'the last n only (100)'],
    ],
    examples: ['haven events', 'haven events shop', 'haven events node/worker-1 -f'],
    completes: 'target',
    load: () => import('./commands/events.ts'),
  },
  {
    usage: 'why <object>',
    summary: 'why something is pending, restarted, moved or refused, and what would help',
    examples: ['haven why shop', 'haven why shop/web.2', 'haven why worker-1'],
    completes: 'targetOrNode',
    load: () => import('./commands/why.ts'),
  },
  {
    usage: 'exec <instance> <command...>',
    summary: "run a command in an instance's folder and environment; its exit code is the command's",
    examples: ['haven exec shop/web.1 -- node --version'],
    completes: 'instance',
    passThrough: true,
    load: () => import('./commands/exec.ts'),
  },
  {
    usage: 'secret set <name>',
    summary: 'store a secret, read from stdin or asked for',
    details:
      'A secret is called like the environment variable it becomes. Its value is never an argument, so that no list of processes shows it. One line break at its end is not part of it.',
    examples: ['printf %s "$PASSWORD" | haven secret set DATABASE_PASSWORD'],
    load: () => import('./commands/secret-set.ts'),
  },
  { usage: 'secret ls', summary: 'list the names of secrets', examples: ['haven secret ls'], load: () => import('./commands/secret-ls.ts') },
  {
    usage: 'secret rm <name>',
    summary: 'remove a secret',
    examples: ['haven secret rm DATABASE_PASSWORD'],
    completes: 'secret',
    load: () => import('./commands/secret-rm.ts'),
  },
  {
    usage: 'demo',
    summary: 'prove the failover story under load on this machine: kill, hang, lose, switch, roll, break; exit 0 only if it holds',
    options: [
      ['--html <file>', 'also write a report with charts'],
      ['--rate <n>', 'requests per second (1000)'],
      ['--only <rows>', 'comma-separated rows, such as kill-instance,node-lost'],
    ],
    examples: ['haven demo', 'haven demo --html report.html'],
    load: () => import('./commands/demo.ts'),
  },
  {
    usage: 'doctor',
    summary: 'check this machine and this cluster, and say what to mend',
    examples: ['haven doctor'],
    load: () => import('./commands/doctor.ts'),
  },
  {
    usage: 'completion <shell>',
    summary: 'print the completion script for bash, zsh or fish',
    examples: ['source <(haven completion bash)', 'haven completion fish > ~/.config/fish/completions/haven.fish'],
    load: () => import('./commands/completion.ts'),
  },
];
