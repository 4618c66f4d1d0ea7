/** Walking registry:2's directory: its repositories in a fixed order, and the digests that a repository links. */
import type { Dirent } from 'node:fs'
import { parseDigest, type Digest } from '#oci/digest.ts'
import { parseRepositoryName, repositoryNameMaxLength, type RepositoryName } from '#oci/reference.ts'
import { entriesOf, type LayoutSource } from './adopt-files.ts'
import { repositoryPath } from './registry2-layout.ts'
import type { ProblemKind } from './registry2-report.ts'

/** Called for what is met on the way and left out. */
export type OnProblem = (kind: ProblemKind, example: string) => void

/** A directory that is a repository; `name` is undefined when no valid name leads to it. */
export interface FoundRepository {
  readonly path: string
  readonly name: RepositoryName | undefined
}

const repositoryMarks = new Set(['_layers', '_manifests', '_uploads'])

function reportStray(entry: Dirent, onProblem: OnProblem, place: string): void {
  onProblem(entry.isSymbolicLink() ? 'symbolic-link' : 'unexpected-entry', place === '' ? entry.name : `${place}/${entry.name}`)
}

async function readLevel(source: LayoutSource, path: string, onProblem: OnProblem): Promise<{ isRepository: boolean; children: string[] }> {
  const children: string[] = []
  let isRepository = false
  for await (const entry of entriesOf(source, repositoryPath(path))) {
    if (!entry.isDirectory()) reportStray(entry, onProblem, path)
    else if (repositoryMarks.has(entry.name)) isRepository = true
    else if (!entry.name.startsWith('_')) children.push(entry.name)
  }
  // Sorted, so that one name says how far an import came. Only the names of one level a depth are held.
  return { isRepository, children: children.sort() }
}

/** Depth first, names of a level in the order of their UTF-16 units: the order of {@link walkRepositories}. */
function isAfter(path: string, cursor: string): boolean {
  return path.replaceAll('/', '\0') > cursor.replaceAll('/', '\0')
}

/** All repositories after `cursor` ('' for all): a directory that has `_layers`, `_manifests` or `_uploads`; below it there may be more. */
export async function* walkRepositories(source: LayoutSource, cursor: string, onProblem: OnProblem): AsyncGenerator<FoundRepository> {
  const top = await readLevel(source, '', onProblem)
  // Reversed, so that the next one is popped from the end.
  const waiting = top.children.toReversed()
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (path.length > repositoryNameMaxLength) {
      onProblem('name-invalid', path)
      continue
    }
    const level = await readLevel(source, path, onProblem)
    for (const child of level.children.toReversed()) waiting.push(`${path}/${child}`)
    if (level.isRepository && isAfter(path, cursor)) yield { path, name: parseRepositoryName(path) }
  }
}

/** The digests that a directory like `_layers` names: `<algorithm>/<hex>/`. */
export async function* walkDigests(source: LayoutSource, path: string, onProblem: OnProblem): AsyncGenerator<Digest> {
  for await (const algorithm of entriesOf(source, path)) {
    if (!algorithm.isDirectory()) {
      reportStray(algorithm, onProblem, '')
      continue
    }
    for await (const entry of entriesOf(source, `${path}/${algorithm.name}`)) {
      const digest = entry.isDirectory() ? parseDigest(`${algorithm.name}:${entry.name}`) : undefined
      if (digest === undefined) reportStray(entry, onProblem, algorithm.name)
      else yield digest
    }
  }
}

/** The names of the directories in a directory, such as the tags of a repository. */
export async function* walkNames(source: LayoutSource, path: string, onProblem: OnProblem): AsyncGenerator<string> {
  for await (const entry of entriesOf(source, path)) {
    if (entry.isDirectory()) yield entry.name
    else reportStray(entry, onProblem, '')
  }
}
