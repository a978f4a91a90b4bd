#!/usr/bin/env node
// Plain JavaScript on purpose: it must run under any Node, find one that can run the TypeScript sources, and hand over.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import * as module from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const OLDEST_MAJOR = 24;
const launcher = fileURLToPath(import.meta.url);
const root = dirname(dirname(launcher));

if (Number.parseInt(process.versions.node, 10) >= OLDEST_MAJOR) {
  module.enableCompileCache();
  await import(join(root, 'src', 'cli', 'main.ts'));
} else {
  const platform = `node-${process.platform}-${process.arch}`;
  const node = join(root, 'node_modules', platform, 'bin', 'node');
  if (!existsSync(node)) {
    process.stderr.write(
      `haven: cannot start under Node ${process.versions.node}, because Haven needs Node ${OLDEST_MAJOR} or newer and ${platform} is not installed here. Next: run "npm ci" in ${root}, or install Node ${OLDEST_MAJOR}\n`,
    );
    process.exit(1);
  }
  const child = spawn(node, [launcher, ...process.argv.slice(2)], { stdio: 'inherit' });
  // A terminal sends its signals to the child too; whoever signals only this pid must reach the child as well.
  process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'));
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => {
    if (signal) {
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
    } else process.exit(code ?? 1);
  });
}
