/** Deleting tags and taking that back: shown at once, put right when the server says otherwise. */
import type { InfiniteData } from '@tanstack/react-query'
import { client, keyOf, queryClient } from '../../api/client.ts'
import { deleteTag, listTags, listTagHistory, readRepository, restoreTag } from '../../api/routes.ts'
import { sentencesOf, tellProblem } from '../../parts/problem.tsx'

const atOnce = 6

/** Runs `work` for each, a few at a time; what failed comes back with why. */
async function forEach(
  names: readonly string[],
  work: (name: string) => Promise<unknown>,
): Promise<{ readonly done: string[]; readonly failed: { name: string; error: unknown }[] }> {
  const waiting = [...names]
  const done: string[] = []
  const failed: { name: string; error: unknown }[] = []
  const worker = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      try {
        await work(name)
        done.push(name)
      } catch (error) {
        failed.push({ name, error })
      }
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return { done, failed }
}

type TagPages = InfiniteData<{ readonly items: readonly { readonly name: string }[] }>

function refresh(): Promise<unknown> {
  return Promise.all([listTags, listTagHistory, readRepository].map((route) => queryClient.invalidateQueries({ queryKey: keyOf(route) })))
}

/** Which were deleted, and a sentence for each that was not. */
export async function deleteTags(
  repository: string,
  names: readonly string[],
): Promise<{ readonly deleted: string[]; readonly failures: string[] }> {
  const gone = new Set(names)
  await queryClient.cancelQueries({ queryKey: keyOf(listTags) })
  queryClient.setQueriesData<TagPages>({ queryKey: keyOf(listTags), predicate: ({ queryKey }) => isOf(queryKey, repository) }, (data) =>
    data === undefined
      ? data
      : { ...data, pages: data.pages.map((page) => ({ ...page, items: page.items.filter(({ name }) => !gone.has(name)) })) },
  )
  const { done, failed } = await forEach(names, (tag) => client.call(deleteTag, { params: { repository, tag } }))
  await refresh()
  return { deleted: done, failures: failed.map(({ name, error }) => `${name}: ${sentencesOf(error).title}`) }
}

function isOf(queryKey: readonly unknown[], repository: string): boolean {
  const input = queryKey[1] as { readonly params?: { readonly repository?: string } } | undefined
  return input?.params?.repository === repository && queryKey.at(-1) === 'pages'
}

export async function restoreTags(repository: string, names: readonly string[]): Promise<void> {
  const { failed } = await forEach(names, (tag) => client.call(restoreTag, { params: { repository, tag }, body: {} }))
  const [first] = failed
  if (first !== undefined) tellProblem(first.error)
  await refresh()
}
