/** Lists that come in pages. */
import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import type { ListOptions } from '../api/client.ts'

/** A list as tables want it. */
export interface Listed<Item> {
  readonly items: readonly Item[]
  readonly isLoading: boolean
  readonly error: Error | null
  readonly refetch: () => void
  readonly more: { readonly has: boolean; readonly isLoading: boolean; readonly load: () => void }
}

/** Reads all pages that were wanted so far. What was shown stays until what replaces it is there. */
export function useList<Item>({ queryKey, read, refreshMs }: ListOptions<Item> & { readonly refreshMs?: number }): Listed<Item> {
  const { data, isPending, error, hasNextPage, isFetchingNextPage, fetchNextPage, refetch } = useInfiniteQuery({
    queryKey,
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) => read(pageParam, signal),
    getNextPageParam: (page) => page.next,
    placeholderData: keepPreviousData,
    ...(refreshMs !== undefined && { refetchInterval: refreshMs }),
  })
  const items = useMemo(() => data?.pages.flatMap((page) => page.items) ?? [], [data])
  return {
    items,
    isLoading: isPending,
    error,
    refetch: () => void refetch(),
    more: { has: hasNextPage, isLoading: isFetchingNextPage, load: () => void fetchNextPage() },
  }
}
