/** Labels as people name them: by name, or by number. A name of digits alone is a number. */
import type { ApiClient } from '#api/client.ts'
import { listLabels, listManifestLabels, listProjectLabels } from '#api/routes/labels.ts'
import { readRepository } from '#api/routes/repositories.ts'
import { CommandFailure, NothingThere } from './command-failure.ts'
import { printable } from './print.ts'

interface Named {
  readonly id: number
  readonly name: string
  readonly project?: string
}

/** The number of a label of a project; without one, of those that are for all. Throws a sentence when there is none. */
export async function findLabel(client: ApiClient, text: string, project: string | undefined): Promise<number> {
  if (isNumber(text)) return Number(text)
  // A name sorts before all that begin with it.
  const query = { name: text, sort: 'name', limit: 1 } as const
  const { items } =
    project === undefined ? await client.call(listLabels, { query }) : await client.call(listProjectLabels, { params: { project }, query })
  return only(items, text, project === undefined ? 'that is for all: --project names where it is' : `of the project ${project}`)
}

/** The number of a label that manifests of the repository may have: one of its project, of those above, or for all. */
export async function findUsableLabel(client: ApiClient, repository: string, text: string): Promise<number> {
  if (isNumber(text)) return Number(text)
  const { project } = await client.call(readRepository, { params: { repository } })
  const query = { name: text, usable: true, sort: 'name', limit: 100 } as const
  const { items } = await client.call(listProjectLabels, { params: { project }, query })
  return only(items, text, `for ${repository}`)
}

/** The number of a label that the manifest has. */
export async function findManifestLabel(
  client: ApiClient,
  params: { readonly repository: string; readonly digest: string },
  text: string,
): Promise<number> {
  if (isNumber(text)) return Number(text)
  const { items } = await client.call(listManifestLabels, { params })
  return only(items, text, 'on this manifest')
}

function isNumber(text: string): boolean {
  return /^\d{1,15}$/.test(text)
}

function only(labels: readonly Named[], text: string, where: string): number {
  const found = labels.filter(({ name }) => name === text)
  const [label] = found
  if (label === undefined) throw new NothingThere(`there is no label ${printable(text)} ${printable(where)}`)
  if (found.length === 1) return label.id
  const which = found.map(({ id, project }) => `${id} (${project ?? 'for all'})`).join(', ')
  throw new CommandFailure(`several labels are called ${printable(text)}: name one by its number: ${printable(which)}`)
}
