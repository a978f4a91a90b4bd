import type { CommandDefinition } from './command.ts';
import { EXIT } from './exit-codes.ts';

const MEANING: Readonly<Record<keyof typeof EXIT, string>> = {
  ok: 'done, or nothing to do',
  failed: 'failed; stderr says what, why and what to do',
  usage: 'wrong usage or an invalid config; nothing was changed',
  notPlaced: 'accepted, but no node can take it; it goes on waiting',
  rolledBack: 'the deploy failed and was rolled back',
  timeout: 'still running when the time was up; it goes on',
  conflict: 'somebody else holds it or changed it first, or a newer deploy took its place',
  changes: '`plan --exit-code`: a deploy would change something',
  interrupted: 'interrupted by Ctrl-C or SIGTERM; what was begun goes on',
};

const VARIABLES: readonly (readonly [name: string, meaning: string])[] = [
  ['HAVEN_HOME', "folder of this machine's cluster (`~/.haven`)"],
  ['HAVEN_PORT_BASE', 'port of its API, from which all other ports follow (7700)'],
  ['HAVEN_ADDR', 'address of the API to talk to, such as `10.0.0.5:7700` (the one of this machine)'],
  ['HAVEN_GATEWAY_RING', '`off`: gateways carry each connection by itself, [not by an io_uring](gateway.md#ring-or-streams)'],
  ['HAVEN_TOKEN_FILE', 'file with the token to show it (`$HAVEN_HOME/token`); never an argument'],
  ['NO_COLOR', 'any value: no colours'],
];

/** The reference of the command line as Markdown, made from the table of commands: `docs/cli.md`. */
export function renderReference(commands: readonly CommandDefinition[]): string {
  return [
    '# Command line',
    '<!-- Written by "node scripts/write-cli-reference.ts" from src/cli/commands.ts; change that instead. -->',
    [
      'Data goes to stdout, progress and mistakes to stderr. With `--json` a command prints one JSON value; one that follows something prints a line of JSON for',
      'each event, and the last line is the result. An error is `{"error": {"code", "message", "details"}}`. Without a terminal nothing is redrawn or coloured.',
    ].join('\n'),
    'Every command takes `--json` (data as JSON), `-q, --quiet` (no progress) and `-h, --help`.',
    '`--timeout`, `--deadline` and `--interval` take a number with a unit: `250ms`, `10s`, `5m`, `2h`.',
    '## Commands',
    tableOf(
      ['command', 'does'],
      commands.map(({ usage, summary }) => [`[\`${cell(`haven ${usage}`)}\`](#${anchorOf(usage)})`, cell(summary)]),
    ),
    '`haven lab` compares scheduling policies by experiment; `haven lab --help` lists its commands.',
    ...commands.flatMap(sectionsOf),
    '## Exit codes',
    tableOf(
      ['code', 'means'],
      (Object.keys(EXIT) as (keyof typeof EXIT)[]).map((name) => [String(EXIT[name]), MEANING[name]]),
    ),
    '`haven exec` ends with the code of the command it ran.',
    '## Environment variables',
    tableOf(
      ['variable', 'means'],
      VARIABLES.map(([name, meaning]) => [`\`${name}\``, meaning]),
    ),
    '',
  ]
    .join('\n\n')
    .replace(/\n+$/, '\n');
}

function sectionsOf({ usage, summary, details, options = [], examples }: CommandDefinition): readonly string[] {
  return [
    `### haven ${usage
      .split(' ')
      .filter((word) => /^[a-z]/.test(word))
      .join(' ')}`,
    `\`haven ${usage}\`: ${summary}.`,
    ...(details === undefined ? [] : [details]),
    ...(options.length === 0
      ? []
      : [
          tableOf(
            ['option', 'does'],
            options.map(([flags, description]) => [`\`${cell(flags)}\``, cell(description)]),
          ),
        ]),
    ['```sh', ...examples, '```'].join('\n'),
  ];
}

function anchorOf(usage: string): string {
  return ['haven', ...usage.split(' ').filter((word) => /^[a-z]/.test(word))].join('-');
}

function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
