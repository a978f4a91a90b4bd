import { deepEqual, equal, ok } from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const PATIENCE_MS = 30_000;
const folder = mkdtempSync(join(tmpdir(), 'haven-complete-'));
symlinkSync(fileURLToPath(new URL('../../bin/haven.js', import.meta.url)), join(folder, 'haven'));
writeFileSync(join(folder, 'only-one.txt'), '');
const environment = {
  ...process.env,
  PATH: [folder, dirname(process.execPath), process.env['PATH']].join(delimiter),
  HAVEN_HOME: join(folder, 'home'),
  HOME: folder,
  TERM: 'dumb',
  PS1: '$ ',
};
after(() => rmSync(folder, { recursive: true, force: true }));

const needs = (...programs: readonly string[]) => {
  const missing = programs.filter((program) => !existsSync(`/usr/bin/${program}`));
  return { skip: missing.length === 0 ? false : `needs ${missing.join(' and ')}` };
};

/** What a person sees who types into a shell; each text follows when the one before had the effect that was waited for. */
async function typed(shell: string, steps: readonly (readonly [text: string, until: RegExp])[]): Promise<string> {
  const child = spawn('/usr/bin/script', ['-qec', `exec ${shell}`, '/dev/null'], { env: environment, stdio: ['pipe', 'pipe', 'ignore'], detached: true });
  let seen = '';
  let whole = '';
  let onOutput = () => {};
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    seen += text;
    whole += text;
    onOutput();
  });
  try {
    for (const [text, until] of steps) {
      seen = '';
      child.stdin.write(text);
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const timer = setTimeout(() => reject(new Error(`no ${until} after ${JSON.stringify(text)} in ${JSON.stringify(whole)}`)), PATIENCE_MS);
      onOutput = () => until.test(seen) && resolve();
      onOutput();
      await promise.finally(() => clearTimeout(timer));
    }
    return whole;
  } finally {
    process.kill(-(child.pid ?? 0), 'SIGKILL');
  }
}

test('bash completes commands, their parts and, where nothing else fits, files', needs('script', 'bash'), async () => {
  const CLEAR = ['\u0015', /(?:)/] as const;
  await typed('bash --norc -i', [
    ['source <(haven completion bash); echo re""ady\n', /\nready/],
    ['haven depl\t', /haven deploy /],
    CLEAR,
    ['haven pool \t\t', /create +ls +rm/],
    CLEAR,
    [`haven deploy ${folder}/only-o\t`, /ne\.txt/],
  ]);
});

test('zsh completes commands, their parts and, where nothing else fits, files', needs('script', 'zsh'), async () => {
  const CLEAR = ['\u0015', /(?:)/] as const;
  await typed('zsh -f -i', [
    ['autoload -U compinit; compinit -u -D; source <(haven completion zsh); echo re""ady\n', /\nready/],
    ['haven depl\t', /haven deploy /],
    CLEAR,
    ['haven pool \t', /create +ls +rm/],
    CLEAR,
    [`haven deploy ${folder}/only-o\t`, /ne\.txt/],
  ]);
});

test('fish completes commands, their parts and, where nothing else fits, files', needs('fish'), () => {
  const complete = (line: string) => {
    const script = `haven completion fish | source; complete -C '${line}'`;
    const lines = execFileSync('/usr/bin/fish', ['--no-config', '-c', script], { env: environment, encoding: 'utf8', timeout: PATIENCE_MS }).trim().split('\n');
    return lines.map((candidate) => candidate.split('\t')[0]);
  };
  equal(complete('haven depl').join(), 'deploy');
  deepEqual(complete('haven pool '), ['create', 'ls', 'rm']);
  ok(complete(`haven deploy ${folder}/only-o`).includes(join(folder, 'only-one.txt')));
});
