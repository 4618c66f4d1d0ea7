/** The nodes as people see them: who serves, and what is wrong with them as a whole. */
import type { Metadata } from '#metadata/metadata.ts'
import { listNodes, nodeWarnings, type Node } from '#metadata/nodes.ts'

/** As it is now. */
export async function readNodes({ reader }: Pick<Metadata, 'reader'>): Promise<{
  readonly nodes: readonly Node[]
  readonly warnings: readonly string[]
}> {
  const nodes = await listNodes(reader)
  return { nodes, warnings: nodeWarnings(nodes) }
}
