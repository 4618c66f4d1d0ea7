/** What the registry proves itself with: certificates of its listener, and the keys that sign its tokens. */
import type { ItemOf } from '../../api/client.ts'
import { Alert, Badge, Button, Group, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { RefreshCw, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { change, query } from '../../api/client.ts'
import { deleteKey, listCertificates, listKeys, renewCertificates, rotateKeys } from '../../api/manage-routes.ts'
import { listJobs } from '../../api/routes.ts'
import { useWho } from '../../api/session.ts'
import { Dialog, Form, WorkButton } from '../../parts/form.tsx'
import { PageHead, Panel } from '../../parts/layout.tsx'
import { Loaded } from '../../parts/loaded.tsx'
import { tell } from '../../parts/problem.tsx'
import { RelativeTime } from '../../parts/relative-time.tsx'
import { None, Row } from '../../parts/rows.tsx'
import { useFollowJob } from '../../parts/use-follow-job.ts'
import { useWords } from '../../parts/use-words.ts'

type Certificate = ItemOf<typeof listCertificates>
type Key = ItemOf<typeof listKeys>

export function CertificatesPage() {
  const { t } = useWords()
  const who = useWho()
  return (
    <>
      <PageHead title={t('manage:certificates.page')} description={t('manage:certificates.text')} />
      <Stack gap="lg">
        {who.may('certificate:list') && <Certificates mayRenew={who.may('certificate:renew')} />}
        {who.may('key:list') && <Keys mayRotate={who.may('key:rotate')} mayDelete={who.may('key:delete')} />}
      </Stack>
    </>
  )
}

function Certificates({ mayRenew }: { readonly mayRenew: boolean }) {
  const { t } = useWords()
  const follow = useFollowJob()
  const list = useQuery(query(listCertificates))
  const hasAcme = list.data?.items.some(({ source }) => source === 'acme') === true
  const renew = async () =>
    await follow((await change(renewCertificates, { body: {} }, [listJobs, listCertificates])).job, t('manage:certificates.begun'))
  const button =
    mayRenew && hasAcme ? (
      <WorkButton size="compact-sm" variant="default" leftSection={<RefreshCw size={14} />} work={renew}>
        {t('manage:certificates.renew')}
      </WorkButton>
    ) : undefined
  return (
    <Panel title={t('manage:certificates.title')} actions={button} isFlush>
      <Loaded of={list} rows={2}>
        {({ items }) =>
          items.length === 0 ? (
            <None>{t('manage:certificates.none')}</None>
          ) : (
            <ul className="rows">
              {items.map((certificate) => (
                <OneCertificate key={`${certificate.source} ${certificate.name}`} certificate={certificate} />
              ))}
            </ul>
          )
        }
      </Loaded>
    </Panel>
  )
}

const soonMs = 14 * 86_400_000

function OneCertificate({ certificate }: { readonly certificate: Certificate }) {
  const { t } = useWords()
  const { name, source, names, issuer, fingerprint256, notAfter, renewAt, error } = certificate
  const isSoon = notAfter !== null && Date.parse(notAfter) - Date.now() < soonMs
  return (
    <Row
      title={
        <Group gap={8}>
          {name}
          <Badge size="sm">{t(`manage:certificates.sources.${source}`)}</Badge>
        </Group>
      }
      text={
        <>
          <div>{names.join(', ')}</div>
          {issuer !== null && <div>{`${t('manage:certificates.issuer')}: ${issuer}`}</div>}
          {fingerprint256 !== null && <div className="mono">{fingerprint256}</div>}
          {error !== null && (
            <Text size="sm" c="red" lang="en">
              {error}
            </Text>
          )}
          {renewAt !== null && (
            <div>
              {t('manage:certificates.renewAt')} <RelativeTime at={renewAt} />
            </div>
          )}
        </>
      }
    >
      {notAfter !== null && (
        <Badge variant="dot" color={isSoon ? 'red' : 'tide'}>
          {t('members.until')} <RelativeTime at={notAfter} />
        </Badge>
      )}
    </Row>
  )
}

function Keys({ mayRotate, mayDelete }: { readonly mayRotate: boolean; readonly mayDelete: boolean }) {
  const { t } = useWords()
  const [doomed, setDoomed] = useState<Key>()
  const list = useQuery(query(listKeys))
  const rotate = async () => {
    await change(rotateKeys, {}, [listKeys])
    tell(t('manage:keys.rotated'))
  }
  const button = mayRotate ? (
    <WorkButton size="compact-sm" variant="default" leftSection={<RefreshCw size={14} />} work={rotate}>
      {t('manage:keys.rotate')}
    </WorkButton>
  ) : undefined
  return (
    <Panel title={t('manage:keys.title')} actions={button} isFlush>
      <Text size="sm" c="dimmed" px={16} pt={12}>
        {t('manage:keys.text')}
      </Text>
      <Loaded of={list} rows={2}>
        {({ items }) =>
          items.length === 0 ? (
            <None>{t('manage:keys.none')}</None>
          ) : (
            <ul className="rows">
              {items.map((key) => (
                <OneKey key={key.keyId} signing={key} remove={mayDelete ? () => setDoomed(key) : undefined} />
              ))}
            </ul>
          )
        }
      </Loaded>
      <Dialog title={t('manage:keys.delete')} opened={doomed !== undefined} close={() => setDoomed(undefined)}>
        {doomed !== undefined && <Deletion keyId={doomed.keyId} close={() => setDoomed(undefined)} />}
      </Dialog>
    </Panel>
  )
}

function OneKey({ signing, remove }: { readonly signing: Key; readonly remove: (() => void) | undefined }) {
  const { t } = useWords()
  return (
    <Row
      title={
        <Group gap={8}>
          <span className="mono">{signing.keyId}</span>
          <Badge size="sm">{signing.algorithm}</Badge>
          {signing.retiredAt === null && (
            <Badge size="sm" variant="dot" color="tide">
              {t('manage:keys.signs')}
            </Badge>
          )}
        </Group>
      }
      text={
        <>
          {t('manage:common.made')} <RelativeTime at={signing.createdAt} />
          {signing.retiredAt !== null && (
            <>
              {' · '}
              {t('manage:keys.retired')} <RelativeTime at={signing.retiredAt} />
            </>
          )}
        </>
      }
    >
      {remove !== undefined && (
        <Button
          size="compact-xs"
          variant="default"
          color="red"
          leftSection={<Trash2 size={13} />}
          onClick={remove}
          aria-label={t('manage:common.remove', { name: signing.keyId })}
        >
          {t('common.delete')}
        </Button>
      )}
    </Row>
  )
}

/** There is no way back from this one. */
function Deletion({ keyId, close }: { readonly keyId: string; readonly close: () => void }) {
  const { t } = useWords()
  const remove = async () => {
    await change(deleteKey, { params: { key: keyId } }, [listKeys])
    tell(t('manage:keys.deleted'))
    close()
  }
  return (
    <Form save={remove} close={close} submit={t('manage:keys.delete')} color="red">
      <Alert color="red">
        <Text size="sm" c="var(--mantine-color-text)">
          {t('manage:keys.deleteText')}
        </Text>
      </Alert>
      <Text size="sm" className="mono wrap">
        {keyId}
      </Text>
      <Link to="/admin/audit" search={{ q: 'key.*' }} className="text-link">
        {t('manage:keys.audit')}
      </Link>
    </Form>
  )
}
