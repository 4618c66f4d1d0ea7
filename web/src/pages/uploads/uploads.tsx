/** Uploads under way: of everything, of a project, of a repository. */
import type { ItemOf } from '../../api/client.ts'
import { Badge, Button } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import { X } from 'lucide-react'
import { change, pages } from '../../api/client.ts'
import { cancelUpload, listRepositoryUploads, listUploads } from '../../api/manage-routes.ts'
import { useRepositoryRights } from '../../api/session.ts'
import { act } from '../../parts/form.tsx'
import { Waiting } from '../../parts/layout.tsx'
import { useList } from '../../parts/list.ts'
import { Problem, tell } from '../../parts/problem.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { None, Row } from '../../parts/rows.tsx'
import { formatBytes } from '../../parts/sizes.ts'
import { useWords } from '../../parts/use-words.ts'

type Upload = ItemOf<typeof listUploads>

/** Where the uploads go that are shown. */
export type UploadScope =
  | { readonly kind: 'all' }
  | { readonly kind: 'project'; readonly name: string }
  | { readonly kind: 'repository'; readonly name: string }

const refreshMs = 5_000

export function Uploads({ scope }: { readonly scope: UploadScope }) {
  const { t } = useWords()
  const input = { limit: 200, sort: '-updatedAt' } as const
  const list = useList({
    ...(scope.kind === 'repository'
      ? pages(listRepositoryUploads, { params: { repository: scope.name }, query: input })
      : pages(listUploads, { query: input })),
    refreshMs,
  })
  if (list.error !== null) return <Problem error={list.error} retry={list.refetch} />
  if (list.isLoading) return <Waiting rows={2} />
  // The server lists those of all that the caller sees; a project's are picked here, so further pages stay to be asked for.
  const shown = scope.kind === 'project' ? list.items.filter(({ repository }) => repository.startsWith(`${scope.name}/`)) : list.items
  return (
    <>
      {shown.length === 0 && <None>{t('manage:uploads.none')}</None>}
      <ul className="rows" aria-label={t('manage:uploads.title')}>
        {shown.map((upload) => (
          <OneUpload key={upload.id} upload={upload} isNamed={scope.kind !== 'repository'} />
        ))}
      </ul>
      {list.more.has && (
        <Button variant="subtle" fullWidth onClick={list.more.load} loading={list.more.isLoading}>
          {t('common.more')}
        </Button>
      )}
    </>
  )
}

function OneUpload({ upload, isNamed }: { readonly upload: Upload; readonly isNamed: boolean }) {
  const { t } = useWords()
  const { id, repository, actor, offsetBytes, isReceiving, startedAt, updatedAt } = upload
  const rights = useRepositoryRights(repository)
  const cancel = async () => {
    await change(cancelUpload, { params: { repository, upload: id } }, [listUploads, listRepositoryUploads])
    tell(t('manage:uploads.cancelled'))
  }
  return (
    <Row
      title={
        isNamed ? (
          <Link to="/repositories/$" params={{ _splat: repository }} search={{}} className="link">
            {repository}
          </Link>
        ) : (
          <span className="mono">{id}</span>
        )
      }
      text={
        <>
          {actor === '' ? t('session.visitor') : actor} · {t('manage:uploads.began')} <RelativeTime at={startedAt} /> ·{' '}
          {t('manage:uploads.heard')} <RelativeTime at={updatedAt} />
        </>
      }
    >
      {isReceiving && (
        <Badge variant="dot" color="tide">
          {t('manage:uploads.receiving')}
        </Badge>
      )}
      <span className="number">{formatBytes(offsetBytes)}</span>
      {rights.has('upload:delete') && (
        <Button
          size="compact-xs"
          variant="default"
          leftSection={<X size={13} />}
          onClick={() => void act(cancel)}
          aria-label={t('manage:uploads.cancelThis', { name: repository })}
        >
          {t('common.cancel')}
        </Button>
      )}
    </Row>
  )
}
