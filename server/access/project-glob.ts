/** Globs of repositories within a project: they are of whole names, so one that fits none of the project's is a mistake that would give nothing. */
import { parseGlob } from '#metadata/repository-glob.ts'
import type { ProjectFacts } from './decide.ts'

/** Why the glob can fit no repository there, as a sentence; undefined for one that can. Without a project it is of names wherever they are. */
export function globFault(text: string, project: Pick<ProjectFacts, 'name' | 'isDefault'> | undefined): string | undefined {
  const glob = parseGlob(text)
  if (glob === undefined) return 'no name of a repository can match this glob'
  if (project === undefined || project.isDefault) return undefined
  const begin = `${project.name}/`
  if (glob.prefix.startsWith(begin) || (begin.startsWith(glob.prefix) && glob.elements.length > glob.prefix.length)) return undefined
  return `the glob is compared with whole names, and those of this project begin with ${begin}`
}
