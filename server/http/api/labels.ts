/** Serves api/routes/labels.ts. */
import * as routes from '#api/routes/labels.ts'
import { parseDigest, type Digest } from '#oci/digest.ts'
import { resourceUnknown } from '#oci/resource-unknown.ts'
import { createLabel, deleteLabel, listLabels, readLabel, updateLabel } from '#projects/labels.ts'
import { labelManifest, labelsOfManifest, unlabelManifest } from '#registry/label-manifest.ts'
import { instantOf, pageBody } from './page-body.ts'
import { serve, type ServedRoute } from './serve-route.ts'
import { sortedPage } from './sorted-page.ts'

const sortValues = { name: 'text', createdAt: 'number' } as const

type Row = Awaited<ReturnType<typeof readLabel>>

const defaultColor = '#8a8f98'
const forAll = { projectId: null }

/** A label as answers have it. */
function labelBody({ id, name, color, description, project, createdAt, updatedAt, version }: Row) {
  const instants = { createdAt: instantOf(createdAt), updatedAt: instantOf(updatedAt) }
  return { id, name, color, description, ...(project !== null && { project }), ...instants, version }
}

function answerWith(row: Row) {
  return { body: labelBody(row), version: row.version }
}

function listed(page: Awaited<ReturnType<typeof listLabels>>) {
  return { body: pageBody(page, labelBody) }
}

/** What is no digest names nothing that is there. */
function digestOf(text: string): Digest {
  const digest = parseDigest(text)
  if (digest === undefined) throw resourceUnknown('manifest', text)
  return digest
}

function newLabelOf(body: { readonly name: string; readonly color?: string; readonly description?: string }) {
  return { name: body.name, color: (body.color ?? defaultColor).toLowerCase(), description: body.description ?? '' }
}

/** Colours are kept in lower case. */
function changeOf<Change extends { readonly color?: string }>(change: Change): Change {
  return change.color === undefined ? change : { ...change, color: change.color.toLowerCase() }
}

/** Labels for all, of projects, and on manifests. */
export const labelRoutes: readonly ServedRoute[] = [
  serve(routes.listLabels, async ({ parts, query, page }) =>
    listed(await listLabels(parts.directory, { isGlobal: true, projectIds: [], namePrefix: query.name }, sortedPage(page, sortValues))),
  ),
  serve(routes.createLabel, async ({ parts, body, who }) => {
    const row = await createLabel(parts.directory, { ...newLabelOf(body), ...forAll }, who)
    return { ...answerWith(row), location: `/labels/${row.id}` }
  }),
  serve(routes.readLabel, async ({ parts, params }) => answerWith(await readLabel(parts.directory, { labelId: params.label, ...forAll }))),
  serve(routes.updateLabel, async ({ parts, params, body, ifMatch, who }) =>
    answerWith(
      await updateLabel(parts.directory, { labelId: params.label, ...forAll, expectedVersion: ifMatch, change: changeOf(body) }, who),
    ),
  ),
  serve(routes.deleteLabel, async ({ parts, params, ifMatch, who }) => {
    await deleteLabel(parts.directory, { labelId: params.label, ...forAll, expectedVersion: ifMatch }, who)
  }),
  serve(routes.listProjectLabels, async ({ parts, project, query, page }) => {
    const isGlobal = query.usable === true
    const filter = { isGlobal, projectIds: isGlobal ? project.lineage : [project.id], namePrefix: query.name }
    return listed(await listLabels(parts.directory, filter, sortedPage(page, sortValues)))
  }),
  serve(routes.createProjectLabel, async ({ parts, project, body, who }) => {
    const row = await createLabel(parts.directory, { ...newLabelOf(body), projectId: project.id }, who)
    return { ...answerWith(row), location: `/projects/${encodeURIComponent(project.name)}/labels/${row.id}` }
  }),
  serve(routes.readProjectLabel, async ({ parts, project, params }) =>
    answerWith(await readLabel(parts.directory, { labelId: params.label, projectId: project.id })),
  ),
  serve(routes.updateProjectLabel, async ({ parts, project, params, body, ifMatch, who }) => {
    const label = { labelId: params.label, projectId: project.id, expectedVersion: ifMatch }
    return answerWith(await updateLabel(parts.directory, { ...label, change: changeOf(body) }, who))
  }),
  serve(routes.deleteProjectLabel, async ({ parts, project, params, ifMatch, who }) => {
    await deleteLabel(parts.directory, { labelId: params.label, projectId: project.id, expectedVersion: ifMatch }, who)
  }),
  serve(routes.listManifestLabels, async ({ parts, repository, params }) => ({
    body: { items: (await labelsOfManifest(parts.registry, repository, digestOf(params.digest))).map(labelBody) },
  })),
  serve(routes.addManifestLabel, async ({ parts, repository, params, who }) => {
    await labelManifest(parts.registry, { repository, digest: digestOf(params.digest), labelId: params.label }, who)
  }),
  serve(routes.removeManifestLabel, async ({ parts, repository, params, who }) => {
    await unlabelManifest(parts.registry, { repository, digest: digestOf(params.digest), labelId: params.label }, who)
  }),
]
