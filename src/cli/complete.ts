import type { CommandDefinition, CompletionKind } from './command.ts';
import { COMMANDS } from './commands.ts';

const COMMON_OPTIONS = ['--json', '--quiet', '--help'];

/** Names of live things, asked for only when they are needed; a cluster that does not answer at once has none. */
export type LiveNames = (kind: CompletionKind) => Promise<readonly string[]>;

/** What may come next. `words` are those typed so far without `haven`; the last is the one being typed and may be empty. */
export async function complete(words: readonly string[], liveNames: LiveNames): Promise<readonly string[]> {
  const typed = words.at(-1) ?? '';
  const candidates = await candidatesAfter(words.slice(0, -1), typed, liveNames);
  return [...new Set(candidates)].filter((candidate) => candidate.startsWith(typed)).sort();
}

async function candidatesAfter(words: readonly string[], typed: string, liveNames: LiveNames): Promise<readonly string[]> {
  const plain = words.filter((word) => !word.startsWith('-'));
  const definition = COMMANDS.find(({ usage }) => nounsOf(usage).every((noun, index) => plain[index] === noun));
  if (!definition) {
    const others = plain.length === 0 ? ['lab'] : [];
    return [
      ...others,
      ...COMMANDS.filter(({ usage }) => plain.every((word, index) => nounsOf(usage)[index] === word)).flatMap(
        ({ usage }) => nounsOf(usage)[plain.length] ?? [],
      ),
    ];
  }
  if (typed.startsWith('-')) return [...optionsOf(definition).map(({ flag }) => flag), ...COMMON_OPTIONS];
  const given = argumentsIn(definition, words);
  // The value of an option such as --deadline: nothing to offer.
  if (given === undefined) return [];
  const place = given.length;
  if (definition.usage === 'completion <shell>') return place === 0 ? Object.keys(SCRIPTS) : [];
  if (definition.usage === 'node power <node> <state>' && place === 1) return ['on', 'off'];
  const takesMore = place === 0 || (definition.usage.endsWith('...>') && !definition.passThrough);
  if (!definition.completes || !takesMore) return [];
  return (await liveNames(definition.completes)).filter((name) => !given.includes(name));
}

/** The positional arguments given so far; `undefined` when the next word is an option's value. */
function argumentsIn(definition: CommandDefinition, words: readonly string[]): readonly string[] | undefined {
  const withValue = new Set(optionsOf(definition).flatMap(({ flag, takesValue }) => (takesValue ? [flag] : [])));
  const found: string[] = [];
  let isValue = false;
  for (const word of words) {
    if (!isValue && !word.startsWith('-')) found.push(word);
    isValue = !isValue && withValue.has(word);
  }
  return isValue ? undefined : found.slice(nounsOf(definition.usage).length);
}

function optionsOf(definition: CommandDefinition): readonly { readonly flag: string; readonly takesValue: boolean }[] {
  return (definition.options ?? []).flatMap(([flags]) =>
    flags
      .split(/[ ,]+/)
      .filter((flag) => flag.startsWith('--'))
      .map((flag) => ({ flag, takesValue: flags.includes('<') })),
  );
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
  fish: `function __haven_candidates
  set -l candidates (haven __complete (commandline -opc)[2..] (commandline -ct) 2>/dev/null)
  if test (count $candidates) -gt 0
    printf '%s\\n' $candidates
  else
    __fish_complete_path (commandline -ct)
  end
end
complete -c haven -f -a '(__haven_candidates)'`,
};
