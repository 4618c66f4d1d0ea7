/** Transactions of the tests, in a module of their own: the writer thread loads it, and a test file there would run its tests again. */
import { insertGrant } from '#metadata/grants.ts'
import { buryRepository } from '#metadata/hidden-repositories.ts'
import { insertLabel, insertManifestLabel } from '#metadata/labels.ts'
import { insertManifest } from '#metadata/manifests.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { putRedirect, type RedirectKind } from '#metadata/name-redirects.ts'
import { repositoryIdIn } from '#metadata/repositories.ts'
import { transaction } from '#metadata/transaction.ts'
import { digestOf } from '#oci/digest.ts'
import type { RepositoryName } from '#oci/reference.ts'

/** Adds a redirect, whatever it leads to. */
export const addRedirect = transaction(
  import.meta.url,
  'test-projects/add-redirect',
  (tx, input: { readonly kind: RedirectKind; readonly oldName: string; readonly name: string }) => putRedirect(tx, { ...input, now: 0 }),
)

/** Adds a grant on a glob. */
export const addGlobGrant = transaction(
  import.meta.url,
  'test-projects/add-glob-grant',
  (tx, { userId, repositories }: { readonly userId: number; readonly repositories: string }) =>
    insertGrant(tx, {
      subject: { kind: 'user', id: userId },
      role: 'guest',
      projectId: null,
      repositories,
      expiresAt: null,
      createdBy: '',
      at: 0,
    }),
)

/** Takes the repositories of a project out of sight, as a deletion does that was cut short. */
export const buryAll = transaction(import.meta.url, 'test-projects/bury-all', async (tx, project: string) => {
  const rows = await tx
    .selectFrom('repositories')
    .innerJoin('projects', 'projects.id', 'repositories.project_id')
    .select('repositories.id')
    .where('projects.name', '=', project)
    .execute()
  for (const { id } of rows) await buryRepository(tx, id)
})

const addLabel = transaction(import.meta.url, 'test-projects/add-label', (tx, projectId: number | null) =>
  insertLabel(tx, { projectId, name: 'label', color: '#000000', description: '', at: 0 }),
)

/** A label of the project, or for all. */
export function labelOf({ metadata }: { readonly metadata: Metadata }, projectId: number | null): Promise<number> {
  return metadata.write(addLabel, projectId)
}

/** Puts the label on the one manifest of the repository. */
export const labelRepository = transaction(
  import.meta.url,
  'test-projects/label-repository',
  async (tx, { repository, labelId }: { readonly repository: string; readonly labelId: number }) => {
    const repositoryId = await repositoryIdIn(tx, repository as RepositoryName)
    if (repositoryId === undefined) throw new Error('no such repository')
    const payload = Buffer.from('{}')
    const rest = { mediaType: 'a/b', artifactType: undefined, subject: undefined, annotations: undefined, now: 0 }
    const { manifestId } = await insertManifest(tx, { repositoryId, digest: digestOf(payload), payload, ...rest })
    await insertManifestLabel(tx, { manifestId, labelId, at: 0 })
  },
)
