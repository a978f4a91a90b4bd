import type { HavenClient } from '@haven/sdk';
import type { CommandContext } from './command.ts';

/** Says for each node what has become of it: a sentence for people, the nodes as they now are for programs. */
export async function reportNodes(
  { output, signal }: CommandContext,
  client: HavenClient,
  { names, said }: { readonly names: readonly string[]; readonly said: (node: string) => string },
): Promise<void> {
  if (output.json) {
    const nodes = await client.nodes({ signal });
    output.record(nodes.filter((node) => names.includes(node.name)));
  } else for (const name of names) output.progress(said(name));
}
