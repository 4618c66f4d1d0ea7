/** Labels by what is anywhere in their names, of the projects that the caller may see them of and, if wanted, those for all. */
import { sql, type SqlBool } from 'kysely'
import type { Reader } from './metadata.ts'
import { whereProjectVisible, type Visibility } from './visibility.ts'

/** A label that was found. */
export interface FoundLabel {
  readonly id: number
  readonly name: string
  /** Name of its project; null: it is for all. */
  readonly project: string | null
}

/** What is looked for. */
export interface LabelSearch {
  readonly text: string
  /** In any case; of letters other than those of English both must be written alike. */
  readonly limit: number
  readonly isGlobal: boolean
  readonly visibility: Visibility
}

/** In the order of their names, one more than the limit if there are more. A project has a thousand labels at most. */
export async function searchLabels(reader: Reader, { text, limit, isGlobal, visibility }: LabelSearch): Promise<readonly FoundLabel[]> {
  const fits = sql<SqlBool>`lower(labels.name) like ${`%${asPattern(text.toLowerCase())}%`} escape '\\'`
  const ofAll = reader
    .selectFrom('labels')
    .select(['labels.id', 'labels.name', sql<string | null>`null`.as('project')])
    .where('labels.project_id', 'is', null)
    .where(fits)
    .orderBy('labels.name')
    .limit(limit + 1)
  const ofProjects = whereProjectVisible(
    reader
      .selectFrom('labels')
      .innerJoin('projects', 'projects.id', 'labels.project_id')
      .select(['labels.id', 'labels.name', 'projects.name as project'])
      // Names of projects in the trash sort before all others.
      .where('projects.name', '>=', '0')
      .where(fits)
      .orderBy('labels.name')
      .orderBy('labels.id')
      .limit(limit + 1),
    visibility,
  )
  const rows = [...(isGlobal ? await ofAll.execute() : []), ...(visibility.kind === 'nothing' ? [] : await ofProjects.execute())]
  return rows.toSorted((one, other) => (one.name < other.name ? -1 : 1)).slice(0, limit + 1)
}

function asPattern(text: string): string {
  return text.replaceAll(/[\\%_]/g, String.raw`\$&`)
}
