import type { CommandDefinition } from './command.ts';
import { COMMANDS } from './commands.ts';

const COMMON_OPTIONS = ['--json', '--quiet', '--help'];

/** Names of live things, asked for only when they are needed; a cluster that does not answer at once has none. */
export type LiveNames = (kind: NonNullable<CommandDefinition['completes']>) => Promise<readonly string[]>;

/** What may come next. `words` are those typed so far without `haven`; the last is the one being typed and may be empty. */
export async function complete(words: readonly string[], liveNames: LiveNames): Promise<readonly string[]> {
  const typed = words.at(-1) ?? '';
  const before = words.slice(0, -1).filter((word) => !word.startsWith('-'));
  const candidates = await candidatesAfter(before, typed, liveNames);
  return [...new Set(candidates)].filter((candidate) => candidate.startsWith(typed)).sort();
}

async function candidatesAfter(before: readonly string[], typed: string, liveNames: LiveNames): Promise<readonly string[]> {
  const definition = COMMANDS.find(({ usage }) => nounsOf(usage).every((noun, index) => before[index] === noun));
  if (!definition) return COMMANDS.filter(({ usage }) => before.every((word, index) => nounsOf(usage)[index] === word)).flatMap(({ usage }) => nounsOf(usage)[before.length] ?? []);
  if (typed.startsWith('-')) return [...(definition.options ?? []).flatMap(([flags]) => flags.split(/[ ,]+/).filter((flag) => flag.startsWith('--'))), ...COMMON_OPTIONS];
  if (definition.usage === 'completion <shell>') return Object.keys(SCRIPTS);
  const isFirstArgument = before.length === nounsOf(definition.usage).length;
  return definition.completes && (isFirstArgument || definition.usage.includes('...')) ? await liveNames(definition.completes) : [];
}

function nounsOf(usage: string): string[] {
  return usage.split(' ').filter((word) => /^[a-z]/.test(word));
}

/** One script per shell; each asks `haven __complete` for what comes next. */
export const SCRIPTS: Readonly<Record<string, string>> = {
  bash: `_haven() {
  local IFS=$'\\n'
  COMPREPLY=($(haven __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _haven haven`,
  zsh: `#compdef haven
_haven() {
  local -a candidates
  candidates=(\${(f)"$(haven __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)"})
  compadd -a candidates || _files
}
compdef _haven haven`,
  fish: `complete -c haven -f -a '(haven __complete (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'`,
};
