/** The tables `labels` and `manifest_labels`. A label without a project is for all; one of a project is for that project and those below it. */
import { sql, type RawBuilder, type SqlBool } from 'kysely'
import { inChunks } from './in-chunks.ts'
import { notInTrash } from './hidden-repositories.ts'
import type { Reader, Transactor } from './metadata.ts'
import { belowPrefix } from './name-prefixes.ts'
import { paged, pageFrom, type Page, type PageRequest } from './page.ts'

/** A label. Instants are milliseconds. */
export interface LabelRecord {
  readonly id: number
  /** Null: for all. */
  readonly projectId: number | null
  /** Name of that project. */
  readonly project: string | null
  readonly name: string
  /** `#rrggbb`. */
  readonly color: string
  readonly description: string
  readonly createdAt: number
  readonly updatedAt: number
  readonly version: number
}

function selectLabels(reader: Reader | Transactor) {
  return reader
    .selectFrom('labels')
    .leftJoin('projects', 'projects.id', 'labels.project_id')
    .select(['labels.id', 'labels.project_id', 'projects.name as project', 'labels.name', 'labels.color', 'labels.description'])
    .select(['labels.created_at', 'labels.updated_at', 'labels.version'])
    .where(notInTrash('labels.project_id'))
}

type Row = Awaited<ReturnType<ReturnType<typeof selectLabels>['executeTakeFirstOrThrow']>>

function recordOf(row: Row): LabelRecord {
  return {
    id: row.id,
    projectId: row.project_id,
    project: row.project,
    name: row.name,
    color: row.color,
    description: row.description,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    version: row.version,
  }
}

/** The label of that id. */
export async function findLabel(reader: Reader | Transactor, id: number): Promise<LabelRecord | undefined> {
  const row = await selectLabels(reader).where('labels.id', '=', id).executeTakeFirst()
  return row && recordOf(row)
}

/** Which labels a list holds: those for all, those of some projects (by id), or both. */
export interface LabelFilter {
  readonly isGlobal: boolean
  readonly projectIds: readonly number[]
  /** Beginning of the name. */
  readonly namePrefix?: string | undefined
}

/** By what a list of labels can be sorted. */
export type LabelSort = 'name' | 'createdAt'

const sortColumns = { name: 'labels.name', createdAt: 'labels.created_at' } as const

/** A page of labels. */
export async function listLabels(reader: Reader, filter: LabelFilter, page: PageRequest<LabelSort>): Promise<Page<LabelRecord>> {
  const query = selectLabels(reader)
    .where((eb) =>
      eb.or([
        ...(filter.isGlobal ? [eb('labels.project_id', 'is', null)] : []),
        ...(filter.projectIds.length > 0 ? [eb('labels.project_id', 'in', filter.projectIds)] : []),
      ]),
    )
    .$if(filter.namePrefix !== undefined, (next) => next.where(nameBegins(filter.namePrefix ?? '')))
  const rows = await paged(query, page, { column: sortColumns[page.column], id: 'labels.id' }).execute()
  return pageFrom(rows.map(recordOf), page, (record) => record[page.column])
}

function nameBegins(prefix: string): RawBuilder<SqlBool> {
  return sql<SqlBool>`substr(labels.name, 1, ${sql.lit(prefix.length)}) = ${prefix}`
}

/** How many labels there are for all, or of the project. */
export async function countLabels(tx: Transactor, projectId: number | null): Promise<number> {
  const row = await tx
    .selectFrom('labels')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where(isOf(projectId))
    .executeTakeFirstOrThrow()
  return Number(row.count)
}

/** The id of the label of that name, for all or of the project. */
export async function findLabelId(tx: Transactor, projectId: number | null, name: string): Promise<number | undefined> {
  const row = await tx.selectFrom('labels').select('id').where(isOf(projectId)).where('name', '=', name).executeTakeFirst()
  return row?.id
}

function isOf(projectId: number | null): RawBuilder<SqlBool> {
  return projectId === null ? sql<SqlBool>`project_id is null` : sql<SqlBool>`project_id = ${projectId}`
}

/** What {@link insertLabel} stores. */
export interface NewLabel {
  readonly projectId: number | null
  readonly name: string
  readonly color: string
  readonly description: string
  readonly at: number
}

/** Adds a label and gives its id; that its name is free is the caller's to see to. */
export async function insertLabel(tx: Transactor, label: NewLabel): Promise<number> {
  const { id } = await tx
    .insertInto('labels')
    .values({
      project_id: label.projectId,
      name: label.name,
      color: label.color,
      description: label.description,
      version: 1,
      created_at: label.at,
      updated_at: label.at,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

/** What {@link updateLabelRow} sets; what is undefined stays. */
export interface LabelChange {
  readonly name?: string | undefined
  readonly color?: string | undefined
  readonly description?: string | undefined
}

/** Changes the row and raises its version. */
export async function updateLabelRow(
  tx: Transactor,
  id: number,
  { name, color, description, at }: LabelChange & { readonly at: number },
): Promise<void> {
  await tx
    .updateTable('labels')
    .set({
      version: sql<number>`version + 1`,
      updated_at: at,
      ...(name !== undefined && { name }),
      ...(color !== undefined && { color }),
      ...(description !== undefined && { description }),
    })
    .where('id', '=', id)
    .execute()
}

/** Removes the label from everything, and itself. */
export async function deleteLabelRow(tx: Transactor, id: number): Promise<void> {
  await tx.deleteFrom('labels').where('id', '=', id).execute()
}

/** Puts a label on a manifest; false when it was there. */
export async function insertManifestLabel(
  tx: Transactor,
  row: { readonly manifestId: number; readonly labelId: number; readonly at: number },
): Promise<boolean> {
  const result = await tx
    .insertInto('manifest_labels')
    .values({ manifest_id: row.manifestId, label_id: row.labelId, created_at: row.at })
    .onConflict((conflict) => conflict.columns(['manifest_id', 'label_id']).doNothing())
    .executeTakeFirst()
  return (result.numInsertedOrUpdatedRows ?? 0n) > 0n
}

/** Takes a label off a manifest; false when it was not there. */
export async function deleteManifestLabel(
  tx: Transactor,
  row: { readonly manifestId: number; readonly labelId: number },
): Promise<boolean> {
  const result = await tx
    .deleteFrom('manifest_labels')
    .where('manifest_id', '=', row.manifestId)
    .where('label_id', '=', row.labelId)
    .executeTakeFirst()
  return result.numDeletedRows > 0n
}

/** How many labels a manifest has. */
export async function countLabelsOfManifest(tx: Transactor, manifestId: number): Promise<number> {
  const row = await tx
    .selectFrom('manifest_labels')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('manifest_id', '=', manifestId)
    .executeTakeFirstOrThrow()
  return Number(row.count)
}

/** The labels of some manifests, in the order of their names, by the manifest's id. A manifest without one is not in the map. */
export async function labelsOfManifests(
  reader: Reader | Transactor,
  manifestIds: readonly number[],
): Promise<ReadonlyMap<number, readonly LabelRecord[]>> {
  const found = new Map<number, LabelRecord[]>()
  for (const chunk of inChunks(manifestIds)) {
    const rows = await selectLabels(reader)
      .innerJoin('manifest_labels', 'manifest_labels.label_id', 'labels.id')
      .select('manifest_labels.manifest_id')
      .where('manifest_labels.manifest_id', 'in', chunk)
      .orderBy('labels.name')
      .orderBy('labels.id')
      .execute()
    for (const row of rows) {
      const labels = found.get(row.manifest_id) ?? []
      labels.push(recordOf(row))
      found.set(row.manifest_id, labels)
    }
  }
  return found
}

/** For lists of manifests (`manifests.id`) and tags (`tags.manifest_id`): only those with the label. */
export function whereLabelled(manifestIdColumn: string, labelId: number): RawBuilder<SqlBool> {
  const column = sql.ref(manifestIdColumn)
  return sql<SqlBool>`exists (select 1 from manifest_labels where manifest_labels.manifest_id = ${column} and manifest_labels.label_id = ${labelId})`
}

/**
 * Takes off what does not belong: labels of a project on manifests of repositories that are not (any more) in that project or below it. Looks at
 * one manifest, at one repository, or at all below a prefix.
 */
export async function deleteForeignLabels(
  tx: Transactor,
  place: { readonly manifestId: number } | { readonly repositoryId: number } | { readonly below: string },
): Promise<readonly string[]> {
  const foreign = sql`from manifest_labels
    join labels on labels.id = manifest_labels.label_id
    join projects as homes on homes.id = labels.project_id
    join manifests on manifests.id = manifest_labels.manifest_id
    join repositories on repositories.id = manifests.repository_id
    join projects on projects.id = repositories.project_id
    where ${whereLabels(place)} and homes.id <> projects.id and substr(projects.name, 1, length(homes.name) + 1) <> homes.name || '/'`
  const { rows } = await sql<{ name: string }>`select distinct labels.name ${foreign} order by labels.name`.execute(tx)
  if (rows.length === 0) return []
  await tx
    .deleteFrom('manifest_labels')
    .where(sql<SqlBool>`manifest_labels.id in (select manifest_labels.id ${foreign})`)
    .execute()
  return rows.map(({ name }) => name)
}

function whereLabels(place: Parameters<typeof deleteForeignLabels>[1]): RawBuilder<SqlBool> {
  if ('below' in place) return belowPrefix('repositories.name', place.below)
  return 'manifestId' in place ? sql<SqlBool>`manifests.id = ${place.manifestId}` : sql<SqlBool>`repositories.id = ${place.repositoryId}`
}
