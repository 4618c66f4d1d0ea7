/** What refers to an image, and what refers to that: signatures, SBOMs, attestations, as a tree that opens one level at a time. */
import type { ResponseOf } from '#api/contract.ts'
import type { listManifestReferrers } from '#api/routes/manifests.ts'
import { ActionIcon, Button, Text } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import { ChevronDown, ChevronRight, FileBadge, FileText, Signature, type LucideIcon } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { pages } from '../../api/client.ts'
import { listManifestReferrers as listRoute } from '../../api/routes.ts'
import { placeOf } from '../../app/named-place.ts'
import { Digest } from '../../parts/copy.tsx'
import { Panel, Waiting } from '../../parts/layout.tsx'
import { useList } from '../../parts/list.ts'
import { Problem } from '../../parts/problem.tsx'
import { formatBytes } from '../../parts/sizes.ts'

type Referrer = ResponseOf<typeof listManifestReferrers>['items'][number]
const depthMax = 5

export function Referrers({ repository, digest }: { readonly repository: string; readonly digest: string }) {
  const { t } = useTranslation()
  return (
    <Panel title={t('image.referrers')} isFlush>
      <Level repository={repository} digest={digest} depth={0} />
    </Panel>
  )
}

interface LevelProps {
  readonly repository: string
  readonly digest: string
  readonly depth: number
}

function Level({ repository, digest, depth }: LevelProps) {
  const { t } = useTranslation()
  const list = useList(pages(listRoute, { params: { repository, digest } }))
  if (list.error !== null) return <Problem error={list.error} />
  if (list.isLoading) return <Waiting rows={1} />
  if (list.items.length === 0) {
    return (
      <Text size="sm" c="dimmed" p={10} pl={20 + depth * 24}>
        {t('referrers.none')}
      </Text>
    )
  }
  return (
    <ul style={{ listStyle: 'none', margin: 0, padding: 0 }}>
      {list.items.map((referrer) => (
        <Node key={referrer.digest} repository={repository} referrer={referrer} depth={depth} />
      ))}
      {list.more.has && (
        <li style={{ padding: 10 }}>
          <Button size="compact-sm" variant="default" onClick={list.more.load} loading={list.more.isLoading}>
            {t('common.more')}
          </Button>
        </li>
      )}
    </ul>
  )
}

/** What it is, by its type. */
function wordOf({ artifactType = '', mediaType }: Referrer): {
  readonly word: 'signature' | 'sbom' | 'attestation' | 'artifact'
  readonly icon: LucideIcon
} {
  const type = `${artifactType} ${mediaType}`
  if (/notary|cosign|signature|sigstore/i.test(type)) return { word: 'signature', icon: Signature }
  if (/spdx|cyclonedx|sbom/i.test(type)) return { word: 'sbom', icon: FileText }
  return /in-toto|attestation|slsa/i.test(type) ? { word: 'attestation', icon: FileBadge } : { word: 'artifact', icon: FileText }
}

function Node({ repository, referrer, depth }: { readonly repository: string; readonly referrer: Referrer; readonly depth: number }) {
  const { t } = useTranslation()
  const [isOpen, setOpen] = useState(false)
  const { word, icon: Icon } = wordOf(referrer)
  return (
    <li style={{ borderBottom: depth === 0 ? '1px solid var(--line)' : 'none' }}>
      <div style={{ display: 'flex', alignItems: 'center', gap: 8, padding: '8px 16px', paddingLeft: 10 + depth * 24, minWidth: 0 }}>
        <ActionIcon
          size="sm"
          onClick={() => setOpen(!isOpen)}
          aria-expanded={isOpen}
          aria-label={t('referrers.open', { digest: referrer.digest.slice(7, 19) })}
          disabled={depth >= depthMax}
        >
          {isOpen ? <ChevronDown size={15} /> : <ChevronRight size={15} />}
        </ActionIcon>
        <Icon size={15} aria-hidden style={{ flex: 'none' }} />
        <Link to="/repositories/$" params={{ _splat: placeOf(repository, 'manifests', referrer.digest) }} search={{}} className="link">
          {t(`referrers.${word}`)}
        </Link>
        <Text size="sm" c="dimmed" className="mono cut below-middle" style={{ flex: 1 }} title={referrer.artifactType}>
          {referrer.artifactType}
        </Text>
        <span className="number" style={{ marginLeft: 'auto' }}>
          {formatBytes(referrer.sizeBytes)}
        </span>
        <span className="below-middle">
          <Digest digest={referrer.digest} />
        </span>
      </div>
      {isOpen && <Level repository={repository} digest={referrer.digest} depth={depth + 1} />}
    </li>
  )
}
