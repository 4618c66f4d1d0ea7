/** A text file of an image, read a piece at a time up to a limit. What is in it is text and nothing else: no bytes of an image become markup here. */
import { Button, Drawer, Group, Stack, Text } from '@mantine/core'
import { useInfiniteQuery } from '@tanstack/react-query'
import { Download } from 'lucide-react'
import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import { addressOf } from '../../api/address.ts'
import { client, keyOf } from '../../api/client.ts'
import { readImageFile } from '../../api/routes.ts'
import { CopyText } from '../../parts/copy.tsx'
import { Waiting } from '../../parts/layout.tsx'
import { Problem } from '../../parts/problem.tsx'
import { formatBytes } from '../../parts/sizes.ts'
import { visible, visibleName } from '../../parts/visible.ts'
import type { FilesPlace } from './image-files.tsx'

/** What is read at once. */
const pieceBytes = 256_000
/** What is shown at most; more would make the page slow, and is for an editor. */
const shownBytes = 4 * pieceBytes

interface ViewerProps {
  readonly place: FilesPlace
  /** Undefined: none is open. */
  readonly path: string | undefined
  readonly close: () => void
}

export function FileViewer({ place, path, close }: ViewerProps) {
  const { t } = useTranslation()
  return (
    <Drawer
      opened={path !== undefined}
      onClose={close}
      position="right"
      size="min(960px, 100vw)"
      title={
        <span className="mono wrap" title={path}>
          {visibleName(path ?? '')}
        </span>
      }
      closeButtonProps={{ 'aria-label': t('common.close') }}
    >
      {path !== undefined && <Opened key={path} place={place} path={path} />}
    </Drawer>
  )
}

interface OpenedProps {
  readonly place: FilesPlace
  readonly path: string
}

function callOf({ place: { repository, digest, platform, layer }, path }: OpenedProps) {
  return {
    params: { repository, reference: digest },
    query: { path, ...(platform !== undefined && { platform }), ...(layer !== undefined && { layer }) },
  }
}

/** The pieces that were wanted so far. */
function usePieces(opened: OpenedProps) {
  const input = callOf(opened)
  return useInfiniteQuery({
    queryKey: keyOf(readImageFile, input),
    initialPageParam: 0,
    queryFn: async ({ pageParam, signal }) => {
      const query = { ...input.query, offset: pageParam, limit: pieceBytes }
      const stream = await client.stream(readImageFile, { params: input.params, query, signal })
      return new Uint8Array(await new Response(stream).arrayBuffer())
    },
    getNextPageParam: (last, all) => (last.length < pieceBytes ? undefined : all.length * pieceBytes),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 60_000,
  })
}

function Opened(opened: OpenedProps) {
  const { t } = useTranslation()
  const { data, error, isPending, refetch, hasNextPage, isFetchingNextPage, fetchNextPage } = usePieces(opened)
  const pieces = data?.pages
  const text = useMemo(() => (pieces === undefined ? undefined : textOf(pieces, hasNextPage)), [pieces, hasNextPage])
  const { params, query } = callOf(opened)
  const isText = text !== undefined && text !== 'binary'
  return (
    <Stack gap="sm">
      <Group gap="sm">
        <Button
          component="a"
          href={addressOf(readImageFile, params, query)}
          download
          variant="default"
          size="compact-sm"
          leftSection={<Download size={14} />}
        >
          {t('files.downloadFile')}
        </Button>
        {isText && !hasNextPage && <CopyText text={text} what={opened.path} />}
      </Group>
      {error !== null && <Problem error={error} retry={() => void refetch()} />}
      {isPending && error === null && <Waiting />}
      {text === 'binary' && <Text>{t('files.binary')}</Text>}
      {isText && <Lines text={text} label={opened.path} />}
      {isText && hasNextPage && (
        <More isLoading={isFetchingNextPage} isLong={(pieces?.length ?? 0) * pieceBytes >= shownBytes} load={() => void fetchNextPage()} />
      )}
    </Stack>
  )
}

interface MoreProps {
  readonly isLoading: boolean
  /** As much as a page can bear is shown. */
  readonly isLong: boolean
  readonly load: () => void
}

function More({ isLoading, isLong, load }: MoreProps) {
  const { t } = useTranslation()
  if (isLong) {
    return (
      <Text size="sm" role="status">
        {t('files.tooLong', { size: formatBytes(shownBytes) })}
      </Text>
    )
  }
  return (
    <Button variant="default" loading={isLoading} onClick={load} style={{ alignSelf: 'center' }}>
      {t('files.more')}
    </Button>
  )
}

function Lines({ text, label }: { readonly text: string; readonly label: string }) {
  const { t } = useTranslation()
  if (text === '') return <Text c="dimmed">{t('files.emptyFile')}</Text>
  const shown = visible(text)
  const count = shown.split('\n').length - (shown.endsWith('\n') ? 1 : 0)
  const numbers = Array.from({ length: count }, (_, at) => at + 1).join('\n')
  return (
    <div className="code-file" tabIndex={0} role="region" aria-label={visibleName(label)}>
      <pre aria-hidden className="code-numbers">
        {numbers}
      </pre>
      <pre className="code-text">{shown}</pre>
    </div>
  )
}

/** UTF-8, or `binary`: a zero byte, or too much that is no UTF-8. */
function textOf(pieces: readonly Uint8Array[], isMore: boolean): string {
  if (pieces.some((piece) => piece.includes(0))) return 'binary'
  const decoder = new TextDecoder()
  // The last letter of a piece may be cut: it waits for the next.
  const text = pieces.map((piece, at) => decoder.decode(piece, { stream: isMore || at < pieces.length - 1 })).join('')
  const broken = text.split('\ufffd').length - 1
  return broken > Math.max(8, text.length / 50) ? 'binary' : text.replaceAll('\r\n', '\n')
}
