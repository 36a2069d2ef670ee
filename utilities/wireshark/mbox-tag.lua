-- Copyright (c) 2026 The ovs-mbox authors.
--
-- Licensed under the Apache License, Version 2.0 (the "License");
-- you may not use this file except in compliance with the License.
-- You may obtain a copy of the License at:
--
--     http://www.apache.org/licenses/LICENSE-2.0
--
-- Unless required by applicable law or agreed to in writing, software
-- distributed under the License is distributed on an "AS IS" BASIS,
-- WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
-- See the License for the specific language governing permissions and
-- limitations under the License.

-- Dissector of the on-wire tag of ovs-mbox (lib/mbox-tag.h,
-- Documentation/wire-formats.md) and of the packet behind it.
--
--     wireshark -X lua_script:mbox-tag.lua
--
-- or copy it to the folder of personal plugins.  Filters: mbox_tag,
-- mbox_tag.kind == 3, mbox_tag.id == 7, mbox_tag.seq > 100, and those of the
-- inner packet, as if there were no tag.

local TAG_ETHERTYPE = 0x88b5
local TRACER_ETHERTYPE = 0x88b6
local TAG_LEN = 12              -- Without its own EtherType, with the inner.

local kinds = {
    [1] = "do not buffer",
    [2] = "returned",
    [3] = "tracer",
    [4] = "last",
    [5] = "duplicate",
}

local proto = Proto("mbox_tag", "Middlebox state transfer tag")
local f = {
    version = ProtoField.uint8("mbox_tag.version", "Version"),
    kind = ProtoField.uint8("mbox_tag.kind", "Kind", base.DEC, kinds),
    id = ProtoField.uint32("mbox_tag.id", "Transfer id"),
    seq = ProtoField.uint32("mbox_tag.seq", "Sequence number"),
    type = ProtoField.uint16("mbox_tag.type", "Inner EtherType", base.HEX),
}
proto.fields = { f.version, f.kind, f.id, f.seq, f.type }

local bad_version = ProtoExpert.new("mbox_tag.bad_version", "Unknown version",
                                    expert.group.PROTOCOL,
                                    expert.severity.WARN)
local bad_kind = ProtoExpert.new("mbox_tag.bad_kind", "Unknown kind",
                                 expert.group.PROTOCOL, expert.severity.WARN)
local truncated = ProtoExpert.new("mbox_tag.truncated", "Truncated tag",
                                  expert.group.MALFORMED,
                                  expert.severity.ERROR)
proto.experts = { bad_version, bad_kind, truncated }

-- Dissects what is behind the tag.  Below 0x600 the EtherType is a length.
local function dissect_inner(tvb, pinfo, root, ethertype)
    if tvb:reported_length_remaining(TAG_LEN) <= 0 then
        return
    end
    local inner = tvb(TAG_LEN):tvb()
    if ethertype == TRACER_ETHERTYPE then
        Dissector.get("data"):call(inner, pinfo, root)
    elseif ethertype >= 0x600 then
        DissectorTable.get("ethertype"):try(ethertype, inner, pinfo, root)
    else
        Dissector.get("llc"):call(inner, pinfo, root)
    end
end

function proto.dissector(tvb, pinfo, root)
    pinfo.cols.protocol = "mbox"
    if tvb:len() < TAG_LEN then
        local tree = root:add(proto, tvb())
        tree:add_proto_expert_info(truncated)
        return tvb:len()
    end

    local version = tvb(0, 1):uint()
    local kind = tvb(1, 1):uint()
    local id = tvb(2, 4):uint()
    local seq = tvb(6, 4):uint()
    local ethertype = tvb(10, 2):uint()
    local text = string.format("%s, transfer %u, seq %u",
                               kinds[kind] or "unknown kind", id, seq)

    local tree = root:add(proto, tvb(0, TAG_LEN))
    tree:append_text(": " .. text)
    tree:add(f.version, tvb(0, 1))
    tree:add(f.kind, tvb(1, 1))
    tree:add(f.id, tvb(2, 4))
    tree:add(f.seq, tvb(6, 4))
    tree:add(f.type, tvb(10, 2))
    if version ~= 1 then
        tree:add_proto_expert_info(bad_version)
        return tvb:len()
    end
    if not kinds[kind] then
        tree:add_proto_expert_info(bad_kind)
    end

    dissect_inner(tvb, pinfo, root, ethertype)
    if ethertype == TRACER_ETHERTYPE then
        pinfo.cols.protocol = "mbox"
        pinfo.cols.info = "Tracer"
    end
    pinfo.cols.info:prepend("[" .. text .. "] ")
    return tvb:len()
end

DissectorTable.get("ethertype"):add(TAG_ETHERTYPE, proto)
