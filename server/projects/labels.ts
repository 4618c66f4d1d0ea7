/**
 * Labels: words with a colour that people put on manifests, to find them again and to choose by.
 *
 * A label without a project is for all repositories; one of a project is for those of that project and of projects below it. Its name is given once
 * in its place. What is on which manifest is registry/label-manifest.ts.
 */
import type { Who } from '#events/event.ts'
import { recordEvent } from '#events/record.ts'
import {
  countLabels,
  deleteLabelRow,
  findLabel,
  findLabelId,
  insertLabel,
  listLabels as listRows,
  updateLabelRow,
  type LabelChange,
  type LabelFilter,
  type LabelRecord,
  type LabelSort,
} from '#metadata/labels.ts'
import { isDigits, isVisibleText, oneSpelling } from '#lib/visible-text.ts'
import type { Transactor } from '#metadata/metadata.ts'
import type { Page, PageRequest } from '#metadata/page.ts'
import { findProjectById } from '#metadata/projects.ts'
import { transaction } from '#metadata/transaction.ts'
import { RegistryError } from '#oci/errors.ts'
import type { ProjectParts } from './projects.ts'

/** How many labels one project has at most, and how many there are for all. */
const labelsMax = 1_000

/** By what the list can be sorted; the first unless said. */
export const labelSorts = ['name', 'createdAt'] as const satisfies readonly LabelSort[]

/** Where a label is: of a project, or for all. */
export interface LabelPlace {
  readonly projectId: number | null
}

/** What a label is made of. */
export interface NewLabel {
  readonly name: string
  readonly color: string
  readonly description: string
}

interface Change extends LabelPlace {
  readonly who: Who
  readonly now: number
}

const create = transaction(import.meta.url, 'labels/create', async (tx, input: Change & { readonly label: NewLabel }) => {
  const { projectId, label, now: at, who } = input
  const project = await projectNameOf(tx, projectId)
  if ((await findLabelId(tx, projectId, label.name)) !== undefined) throw nameTaken()
  if ((await countLabels(tx, projectId)) >= labelsMax) {
    throw new RegistryError('CONFLICT', { labelsMax }, { message: `there are ${labelsMax} labels already: delete some` })
  }
  const id = await insertLabel(tx, { projectId, ...label, at })
  await recordEvent(tx, { action: 'label.created', target: `label:${label.name}`, project, detail: { id }, at, ...who })
  return await labelIn(tx, id, projectId)
})

interface Existing extends Change {
  readonly labelId: number
  readonly expectedVersion: number | undefined
}

const update = transaction(import.meta.url, 'labels/update', async (tx, input: Existing & { readonly change: LabelChange }) => {
  const { labelId, projectId, change, now: at, who } = input
  const label = await labelToChange(tx, input)
  const changed = (['name', 'color', 'description'] as const).filter((member) => (change[member] ?? label[member]) !== label[member])
  if (changed.length === 0) return label
  if (changed.includes('name') && (await findLabelId(tx, projectId, change.name ?? '')) !== undefined) throw nameTaken()
  await updateLabelRow(tx, labelId, { ...change, at })
  const target = `label:${change.name ?? label.name}`
  const detail = { id: labelId, changed, ...(changed.includes('name') && { from: label.name }) }
  await recordEvent(tx, { action: 'label.updated', target, project: label.project ?? undefined, detail, at, ...who })
  return await labelIn(tx, labelId, projectId)
})

const remove = transaction(import.meta.url, 'labels/remove', async (tx, input: Existing) => {
  const label = await labelToChange(tx, input)
  await deleteLabelRow(tx, label.id)
  const { name, project } = label
  const detail = { id: label.id }
  await recordEvent(tx, {
    action: 'label.deleted',
    target: `label:${name}`,
    project: project ?? undefined,
    detail,
    at: input.now,
    ...input.who,
  })
})

async function projectNameOf(tx: Transactor, projectId: number | null): Promise<string | undefined> {
  if (projectId === null) return undefined
  const project = await findProjectById(tx, projectId)
  if (project === undefined) throw new RegistryError('RESOURCE_UNKNOWN')
  return project.name
}

async function labelToChange(tx: Transactor, { labelId, projectId, expectedVersion }: Existing): Promise<LabelRecord> {
  const label = await labelIn(tx, labelId, projectId)
  if (expectedVersion !== undefined && label.version !== expectedVersion) throw new RegistryError('PRECONDITION_FAILED')
  return label
}

/** A label of another place is not there. */
async function labelIn(reader: Parameters<typeof findLabel>[0], labelId: number, projectId: number | null): Promise<LabelRecord> {
  const label = await findLabel(reader, labelId)
  if (label === undefined || label.projectId !== projectId) throw new RegistryError('RESOURCE_UNKNOWN')
  return label
}

function nameTaken(): RegistryError {
  return new RegistryError('CONFLICT', undefined, { message: 'there is a label of this name already' })
}

/** A label is meant by its name or by its number, so that a name of digits alone, in whatever script, would mean another one once that label is gone. */
function requireLabelName(name: string): void {
  if (isVisibleText(name) && !isDigits(name)) return
  const message = 'a name of a label has visible characters, without a space at its ends, and is no number'
  throw new RegistryError('REQUEST_INVALID', [{ path: 'body/name', message }], { message })
}

/** Throws REQUEST_INVALID for a name that is none, CONFLICT when it is taken there. */
export async function createLabel({ metadata, ports }: ProjectParts, label: NewLabel & LabelPlace, who: Who): Promise<LabelRecord> {
  const { projectId, color, description } = label
  const name = oneSpelling(label.name)
  requireLabelName(name)
  return await metadata.write(create, { projectId, label: { name, color, description }, who, now: ports.clock.now() })
}

/** Throws RESOURCE_UNKNOWN for a label of another place. */
export async function readLabel(
  { metadata }: Pick<ProjectParts, 'metadata'>,
  label: LabelPlace & { readonly labelId: number },
): Promise<LabelRecord> {
  return await labelIn(metadata.reader, label.labelId, label.projectId)
}

/** A page of labels. */
export async function listLabels(
  { metadata }: Pick<ProjectParts, 'metadata'>,
  filter: LabelFilter,
  page: PageRequest,
): Promise<Page<LabelRecord>> {
  const column = labelSorts.find((sort) => sort === page.column) ?? labelSorts[0]
  const { namePrefix } = filter
  const spelled = { ...filter, ...(namePrefix !== undefined && { namePrefix: oneSpelling(namePrefix) }) }
  return await listRows(metadata.reader, spelled, { ...page, column })
}

/** Which label, in the version that the caller saw. */
export interface LabelToChange extends LabelPlace {
  readonly labelId: number
  readonly expectedVersion: number | undefined
}

/** Throws RESOURCE_UNKNOWN, PRECONDITION_FAILED, REQUEST_INVALID for a name that is none, CONFLICT when it is taken. */
export async function updateLabel(
  { metadata, ports }: ProjectParts,
  change: LabelToChange & { readonly change: LabelChange },
  who: Who,
): Promise<LabelRecord> {
  const name = change.change.name === undefined ? undefined : oneSpelling(change.change.name)
  if (name !== undefined) requireLabelName(name)
  return await metadata.write(update, {
    ...change,
    change: { ...change.change, ...(name !== undefined && { name }) },
    who,
    now: ports.clock.now(),
  })
}

/** Takes it off all manifests too. Throws RESOURCE_UNKNOWN, PRECONDITION_FAILED. */
export async function deleteLabel({ metadata, ports }: ProjectParts, label: LabelToChange, who: Who): Promise<void> {
  await metadata.write(remove, { ...label, who, now: ports.clock.now() })
}
