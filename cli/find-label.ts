/** Labels as people name them: by name, or by number. A label that is called by digits alone is meant by them, before the one that has the number. */
import { ApiProblem, type ApiClient } from '#api/client.ts'
import { listLabels, listManifestLabels, listProjectLabels, readLabel, readProjectLabel } from '#api/routes/labels.ts'
import { readRepository } from '#api/routes/repositories.ts'
import { oneSpelling } from '#lib/visible-text.ts'
import { CommandFailure, NothingThere } from './command-failure.ts'
import { printable } from './print.ts'

interface Named {
  readonly id: number
  readonly name: string
  readonly project?: string
}

const forAll = 'that is for all: --project names where it is'

/** A label of a project; without one, of those that are for all. Throws a sentence when there is none. */
export async function findLabel(client: ApiClient, written: string, project: string | undefined): Promise<Pick<Named, 'id' | 'name'>> {
  const text = oneSpelling(written)
  // A name sorts before all that begin with it.
  const query = { name: text, sort: 'name', limit: 1 } as const
  const list = async () =>
    project === undefined ? await client.call(listLabels, { query }) : await client.call(listProjectLabels, { params: { project }, query })
  const named = await called(text, list)
  if (named !== undefined) return named
  if (!isNumber(text)) throw nothing(text, project === undefined ? forAll : `of the project ${project}`)
  const label = Number(text)
  const { name } =
    project === undefined
      ? await client.call(readLabel, { params: { label } }).catch((error: unknown) => {
          throw error instanceof ApiProblem && error.status === 404 ? nothing(text, forAll) : error
        })
      : await client.call(readProjectLabel, { params: { project, label } })
  return { id: label, name }
}

/** The number of a label that manifests of the repository may have: one of its project, of those above, or for all. */
export async function findUsableLabel(client: ApiClient, repository: string, written: string): Promise<number> {
  const text = oneSpelling(written)
  const query = { name: text, usable: true, sort: 'name', limit: 100 } as const
  const list = async () => {
    const { project } = await client.call(readRepository, { params: { repository } })
    return await client.call(listProjectLabels, { params: { project }, query })
  }
  return numberOf(await called(text, list), text, `for ${repository}`)
}

/** The number of a label that the manifest has. */
export async function findManifestLabel(
  client: ApiClient,
  params: { readonly repository: string; readonly digest: string },
  written: string,
): Promise<number> {
  const text = oneSpelling(written)
  return numberOf(await called(text, () => client.call(listManifestLabels, { params })), text, 'on this manifest')
}

function isNumber(text: string): boolean {
  return /^\d{1,15}$/.test(text)
}

/** The label of that very name; undefined without one. */
async function called(text: string, list: () => Promise<{ readonly items: readonly Named[] }>): Promise<Named | undefined> {
  const { items } = await list().catch((error: unknown) => {
    // Who may not see what labels are called says their numbers.
    if (isNumber(text) && error instanceof ApiProblem && error.status === 403) return { items: [] }
    throw error
  })
  const found = items.filter(({ name }) => name === text)
  if (found.length <= 1) return found[0]
  const which = found.map(({ id, project }) => `${id} (${project ?? 'for all'})`).join(', ')
  throw new CommandFailure(`several labels are called ${printable(text)}: name one by its number: ${printable(which)}`)
}

function numberOf(label: Named | undefined, text: string, where: string): number {
  if (label !== undefined) return label.id
  if (isNumber(text)) return Number(text)
  throw nothing(text, where)
}

function nothing(text: string, where: string): NothingThere {
  return new NothingThere(`there is no label ${printable(text)} ${printable(where)}`)
}
