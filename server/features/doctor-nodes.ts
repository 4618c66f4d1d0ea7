/** The nodes of this database: are all heard of, of one version, and do their clocks agree. */
import type { Reader } from '#metadata/metadata.ts'
import { listNodes, nodeWarnings } from '#metadata/nodes.ts'
import { fine, warning, type Diagnosis } from './doctor-check.ts'

/** What serves now and within the last day. */
export async function checkNodes(reader: Reader): Promise<readonly Diagnosis[]> {
  const nodes = await listNodes(reader)
  const warnings = nodeWarnings(nodes)
  if (warnings.length > 0) return warnings.map((text) => warning('nodes', text))
  if (nodes.length === 0) return [fine('nodes', 'none serves now')]
  if (nodes.length === 1) return [fine('nodes', 'one serves')]
  return [fine('nodes', `${nodes.length} serve, of one version, and their clocks agree`)]
}
