/*
 * What to do about Azure's refusals. Codes are those of the services' references ("Batch service
 * error codes", "Blob Storage error codes", "Microsoft Entra authentication error codes"); what is
 * said of them comes from what users of Batch met.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/azure/azure_error.h"

#define SKEW_LIMIT_S 300 /* signatures fail at 15 minutes; half a clock is no accident */

#define QUOTA                                                                                  \
    "Core quotas of a new account are often zero: ask for more cores of this VM family in "    \
    "this "                                                                                    \
    "region (portal: Batch account, Quotas), or rent fewer or smaller nodes."
#define ROLE_BATCH                                                                             \
    "Give whoever signs in the role \"Azure Batch Data Contributor\" (or Contributor) on the " \
    "Batch account; roles take some minutes to arrive."
#define ROLE_STORAGE                                                                           \
    "Give whoever signs in the role \"Storage Blob Data Contributor\" on the storage "         \
    "account; "                                                                                \
    "roles take some minutes to arrive."
#define PATIENCE "Azure is busy or in trouble: try again later."

static const struct advice {
    enum azure_service service;
    const char *code, *text;
} advices[] = {
    {AZURE_BATCH, "AccountCoreQuotaReached", QUOTA},
    {AZURE_BATCH, "AccountLowPriorityCoreQuotaReached", QUOTA},
    {AZURE_BATCH, "AccountSpotCoreQuotaReached", QUOTA},
    {AZURE_BATCH, "AccountVMSeriesCoreQuotaReached", QUOTA},
    {AZURE_BATCH, "SubscriptionCoreQuotaReached", QUOTA},
    {AZURE_BATCH, "OperationExceedsQuota", QUOTA},
    {AZURE_BATCH, "PoolQuotaReached",
     "Delete a pool that is no longer needed (`beofarm clean` removes those of its farms), or "
     "ask for a higher pool quota (portal: Batch account, Quotas)."},
    {AZURE_BATCH, "ActiveJobAndScheduleQuotaReached",
     "Finished jobs count until they are terminated: terminate or delete old ones (`beofarm "
     "clean`), or ask for a higher quota of active jobs."},
    {AZURE_BATCH, "AllocationFailed",
     "The region has no such nodes to spare now: try again, or name another vm_size or "
     "region."},
    {AZURE_BATCH, "AllocationTimedOut",
     "The region was slow to give nodes: what has come stays; try again for the rest."},
    {AZURE_BATCH, "UnsupportedVMSize",
     "Name a vm_size that this region and account offer (az batch location list-skus)."},
    {AZURE_BATCH, "InvalidImageReference",
     "Name an image that the account supports and that has not reached its end of life; "
     "`beofarm check` lists them."},
    {AZURE_BATCH, "PoolExists",
     "A pool of this id is there already: reuse it, or name another."},
    {AZURE_BATCH, "PoolBeingDeleted",
     "Nodes take minutes to go: wait until the pool is gone, or name another."},
    {AZURE_BATCH, "PoolBeingResized", "Wait until its nodes are steady, or stop the resize."},
    {AZURE_BATCH, "PoolNotFound",
     "Was it deleted, or is it another account's? `beofarm status` shows what the farm has."},
    {AZURE_BATCH, "JobExists",
     "A job of this id is there already: resume it, or name another."},
    {AZURE_BATCH, "JobBeingDeleted", "Wait until it is gone, or give the farm another name."},
    {AZURE_BATCH, "JobCompleted", "The job takes no more tasks: start the farm anew."},
    {AZURE_BATCH, "JobNotFound", "The farm's job was deleted, or is another account's."},
    {AZURE_BATCH, "InsufficientAccountPermissions", ROLE_BATCH},
    {AZURE_BATCH, "AuthorizationFailed", ROLE_BATCH},
    {AZURE_BATCH, "Forbidden", ROLE_BATCH},
    {AZURE_BATCH, "UnsupportedRequestVersion",
     "The service does not speak this api-version any more (or not yet): name another."},
    {AZURE_BATCH, "AutoScalingFormulaSyntaxError",
     "Correct the autoscale formula; Batch says above where it fails."},
    {AZURE_BATCH, "TooManyEnableAutoScaleRequests",
     "Batch takes a new autoscale formula every 30 s at most."},
    {AZURE_BATCH, "InvalidApplicationPackageReferences",
     "An application package or its version is not there, or not activated."},
    {AZURE_BATCH, "ServerBusy", PATIENCE},
    {AZURE_BATCH, "TooManyRequests", PATIENCE},
    {AZURE_BATCH, "InternalError", PATIENCE},
    {AZURE_BATCH, "OperationTimedOut", PATIENCE},
    {AZURE_STORAGE, "BlobNotFound", "It was never written, or has been removed meanwhile."},
    {AZURE_STORAGE, "ContainerNotFound",
     "The farm's container was removed, or is another storage account's."},
    {AZURE_STORAGE, "ContainerBeingDeleted",
     "A container's name is free again some 30 s after its deletion, sometimes later: wait."},
    {AZURE_STORAGE, "ContainerAlreadyExists", "Reuse it, or name another."},
    {AZURE_STORAGE, "KeyBasedAuthenticationNotPermitted",
     "This storage account allows no keys: set \"auth\" to \"principal\", \"identity\" or "
     "\"cli\", "
     "and give that login the role \"Storage Blob Data Contributor\"."},
    {AZURE_STORAGE, "AuthorizationPermissionMismatch", ROLE_STORAGE},
    {AZURE_STORAGE, "InsufficientAccountPermissions", ROLE_STORAGE},
    {AZURE_STORAGE, "AuthorizationFailure",
     "The storage account's firewall may keep this network out (portal: Networking), or the "
     "SAS does not allow this."},
    {AZURE_STORAGE, "AuthorizationProtocolMismatch", "The SAS is for https alone."},
    {AZURE_STORAGE, "AuthorizationSourceIPMismatch", "The SAS is for another address."},
    {AZURE_STORAGE, "PublicAccessNotPermitted",
     "The request was not signed: give credentials."},
    {AZURE_STORAGE, "AccountIsDisabled", "The storage account is disabled: see the portal."},
    {AZURE_STORAGE, "Crc64Mismatch", "The data changed on its way, or while it was read."},
    {AZURE_STORAGE, "Md5Mismatch", "The data changed on its way, or while it was read."},
    {AZURE_STORAGE, "InvalidBlockList", "Somebody else wrote to the same blob meanwhile."},
    {AZURE_STORAGE, "ServerBusy", PATIENCE},
    {AZURE_STORAGE, "OperationTimedOut", PATIENCE},
    {AZURE_STORAGE, "InternalError", PATIENCE},
    {AZURE_MANAGEMENT, "AuthorizationFailed",
     "Whoever signs in needs at least the role \"Reader\" on the Batch account."},
    {AZURE_MANAGEMENT, "SubscriptionNotFound", "Check the subscription's id, and the tenant."},
    {AZURE_MANAGEMENT, "ResourceGroupNotFound", "Check the resource group's name."},
    {AZURE_MANAGEMENT, "ResourceNotFound", "Check the account's name and resource group."},
    {AZURE_ENTRA, "AADSTS7000215",
     "The client secret is wrong: give its value, not its id (portal: App registrations)."},
    {AZURE_ENTRA, "AADSTS7000222", "The client secret has expired: make a new one."},
    {AZURE_ENTRA, "AADSTS700016", "There is no such client id in this tenant: check both."},
    {AZURE_ENTRA, "AADSTS90002", "There is no such tenant: check its id."},
    {AZURE_ENTRA, "AADSTS900023", "The tenant's id is not well-formed: check it."},
    {AZURE_ENTRA, "AADSTS700027",
     "The certificate is not registered with the application: upload it (portal: App "
     "registrations, Certificates), or its key is another's."},
    {AZURE_ENTRA, "AADSTS500011",
     "The scope names no service of this tenant: check \"scope\"."},
    {AZURE_ENTRA, "AADSTS70011", "The scope is not well-formed: it ends in \"/.default\"."},
    {AZURE_ENTRA, "AADSTS1002012", "The scope is not well-formed: it ends in \"/.default\"."},
    {AZURE_ENTRA, "AADSTS700024",
     "The assertion is not valid now: check this machine's clock, or renew the federated "
     "token."},
    {AZURE_ENTRA, "AADSTS53003",
     "A conditional access policy of your organisation forbids it."},
};

/* Whether the message, or any value, has this text. */
static bool says(const struct azure_error *error, const char *text)
{
    if (error->message && strcasestr(error->message, text))
        return true;
    for (size_t i = 0; i < error->values_count; i++)
        if (strcasestr(error->values[i].value, text))
            return true;
    return false;
}

/* Services answer AuthenticationFailed for whatever is wrong with a signature or token. */
static const char *authentication_advice(enum azure_service service,
                                         const struct azure_error *error)
{
    if (llabs((long long)error->skew_s) > SKEW_LIMIT_S)
        return "This machine's clock differs from Azure's by more than five minutes, and "
               "signatures carry the time: set it (timedatectl set-ntp true).";
    if (says(error, "authentication SharedKey is not allowed") ||
        says(error, "external resources"))
        return "A user-subscription Batch account takes no keys: set \"auth\" to "
               "\"principal\", "
               "\"identity\" or \"cli\".";
    if (says(error, "audience"))
        return "The token is for another service: check \"scope\" (Batch takes "
               "https://batch.core.windows.net/.default, some tenants with //.default).";
    if (says(error, "not valid in the specified time frame") || says(error, "signed expiry"))
        return "The SAS has expired, or is not valid yet: make a new one.";
    if (says(error, "MAC signature") || says(error, "Signature did not match"))
        return service == AZURE_STORAGE
                   ? "The key does not fit the storage account, or was renewed: copy it again "
                     "(portal: Storage account, Access keys). A SAS made with it dies with it."
                   : "The key does not fit the Batch account, or was renewed: copy it again "
                     "(portal: Batch account, Keys).";
    return "Check that the key or login is this account's, and is still valid.";
}

static bool is_authentication(const struct azure_error *error)
{
    return azure_error_is(error, "AuthenticationFailed") ||
           azure_error_is(error, "InvalidAuthenticationInfo") ||
           azure_error_is(error, "InvalidAuthenticationToken") ||
           azure_error_is(error, "InvalidAuthenticationTokenAudience") ||
           azure_error_is(error, "UnauthorizedOperation") ||
           azure_error_is(error, "Unauthorized");
}

/* InvalidPropertyValue says of which property only among its values. */
static const char *property_advice(const struct azure_error *error)
{
    if (says(error, "image") || says(error, "nodeAgentSKUId"))
        return "The image is not supported, or no longer: `beofarm check` lists those that "
               "are.";
    if (says(error, "vmSize"))
        return "Name a vm_size that this region and account offer.";
    return NULL;
}

const char *azure_error_advice(enum azure_service service, const struct azure_error *error)
{
    for (size_t i = 0; i < sizeof(advices) / sizeof(*advices); i++)
        if (advices[i].service == service && azure_error_is(error, advices[i].code))
            return advices[i].text;
    if (error->status == 407)
        return "The proxy wants a login: put it into https_proxy "
               "(http://USER:PASSWORD@HOST:PORT).";
    if (service == AZURE_IDENTITY)
        return error->status == 400 || error->status == 404
                   ? "This machine has no managed identity, or not the one that \"identity\" "
                     "names: assign one, or use another way to sign in."
                   : NULL;
    if (is_authentication(error))
        return authentication_advice(service, error);
    if (azure_error_is(error, "InvalidPropertyValue"))
        return property_advice(error);
    return NULL;
}
