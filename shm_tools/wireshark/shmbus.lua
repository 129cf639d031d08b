-- SPDX-License-Identifier: Apache-2.0
-- Shows recordings of `shmbus record` in Wireshark and tshark: docs/capture-format.md describes the packets.
--   wireshark -X lua_script:shmbus.lua FILE
-- or copy it to ~/.local/lib/wireshark/plugins.

local HEADER = 64
local SHAPE = 48
local KIND_CHANNEL = 0
local KIND_MESSAGE = 1

local shmbus = Proto("shmbus", "shmbus message")

local kinds = {[KIND_CHANNEL] = "channel", [KIND_MESSAGE] = "message"}
local producers = {[1] = "single", [2] = "multi"}
local overflows = {[1] = "block", [2] = "overwrite"}

local f = {
    magic = ProtoField.string("shmbus.magic", "Magic"),
    version = ProtoField.uint8("shmbus.version", "Version"),
    kind = ProtoField.uint8("shmbus.kind", "Kind", base.DEC, kinds),
    header_size = ProtoField.uint16("shmbus.header_size", "Header size"),
    channel = ProtoField.uint32("shmbus.channel", "Channel number"),
    channel_name = ProtoField.string("shmbus.channel_name", "Channel"),
    bus_name = ProtoField.string("shmbus.bus_name", "Bus"),
    publisher = ProtoField.uint32("shmbus.publisher", "Publisher"),
    sequence = ProtoField.uint64("shmbus.sequence", "Sequence"),
    missed = ProtoField.uint64("shmbus.missed", "Missed before it"),
    size = ProtoField.uint64("shmbus.size", "Size of the message"),
    sent_ns = ProtoField.int64("shmbus.sent_ns", "Sent at, CLOCK_MONOTONIC, ns"),
    type = ProtoField.uint64("shmbus.type", "Type tag", base.HEX),
    offset = ProtoField.uint32("shmbus.offset", "Offset in the message"),
    flags = ProtoField.uint16("shmbus.flags", "Flags", base.HEX),
    aborted = ProtoField.bool("shmbus.aborted", "Aborted", 16, nil, 0x0001),
    sent = ProtoField.bool("shmbus.sent", "Time of sending known", 16, nil, 0x0002),
    more = ProtoField.bool("shmbus.more", "Goes on in the next packet", 16, nil, 0x0004),
    reserved = ProtoField.uint16("shmbus.reserved", "Reserved"),
    data = ProtoField.bytes("shmbus.data", "Data"),
    producers = ProtoField.uint8("shmbus.producers", "Producers", base.DEC, producers),
    overflow = ProtoField.uint8("shmbus.overflow", "Overflow", base.DEC, overflows),
    bus_length = ProtoField.uint8("shmbus.bus_length", "Length of the bus's name"),
    name_length = ProtoField.uint8("shmbus.name_length", "Length of the channel's name"),
    slots = ProtoField.uint32("shmbus.slots", "Slots"),
    slot_size = ProtoField.uint32("shmbus.slot_size", "Slot size"),
    publishers_max = ProtoField.uint32("shmbus.publishers_max", "Most publishers"),
    groups_max = ProtoField.uint32("shmbus.groups_max", "Most groups"),
    members_max = ProtoField.uint32("shmbus.members_max", "Most members"),
    arena = ProtoField.uint64("shmbus.arena", "Arena"),
    largest = ProtoField.uint64("shmbus.largest", "Largest message"),
    first_sequence = ProtoField.uint64("shmbus.first_sequence", "First sequence of the channel"),
}
shmbus.fields = f

local damaged = ProtoExpert.new("shmbus.damaged", "Damaged packet", expert.group.MALFORMED,
                                expert.severity.ERROR)
local missing = ProtoExpert.new("shmbus.messages_missed", "Messages were missed before this one",
                                expert.group.SEQUENCE, expert.severity.WARN)
shmbus.experts = {damaged, missing}

-- Names by channel number, and from which packet on: a channel that comes back is described again.
local names = {}

function shmbus.init()
    names = {}
end

local function learn_name(channel, packet, name)
    names[channel] = names[channel] or {}
    names[channel][packet] = name
end

local function name_at(channel, packet)
    local best, name = 0, nil
    for from, candidate in pairs(names[channel] or {}) do
        if from <= packet and from >= best then
            best, name = from, candidate
        end
    end
    return name
end

local function add_header(tvb, tree)
    tree:add(f.magic, tvb(0, 4))
    tree:add_le(f.version, tvb(4, 1))
    tree:add_le(f.kind, tvb(5, 1))
    tree:add_le(f.header_size, tvb(6, 2))
    tree:add_le(f.channel, tvb(8, 4))
    tree:add_le(f.sequence, tvb(16, 8))
    tree:add_le(f.type, tvb(48, 8))
end

local function add_flags(tvb, tree)
    local flags = tree:add_le(f.flags, tvb(60, 2))
    flags:add_le(f.aborted, tvb(60, 2))
    flags:add_le(f.sent, tvb(60, 2))
    flags:add_le(f.more, tvb(60, 2))
    tree:add_le(f.reserved, tvb(62, 2))
end

local function add_shape(tvb, tree, at)
    tree:add_le(f.producers, tvb(at, 1))
    tree:add_le(f.overflow, tvb(at + 1, 1))
    tree:add_le(f.bus_length, tvb(at + 2, 1))
    tree:add_le(f.name_length, tvb(at + 3, 1))
    tree:add_le(f.slots, tvb(at + 4, 4))
    tree:add_le(f.slot_size, tvb(at + 8, 4))
    tree:add_le(f.publishers_max, tvb(at + 12, 4))
    tree:add_le(f.groups_max, tvb(at + 16, 4))
    tree:add_le(f.members_max, tvb(at + 20, 4))
    tree:add_le(f.arena, tvb(at + 24, 8))
    tree:add_le(f.largest, tvb(at + 32, 8))
    tree:add_le(f.first_sequence, tvb(at + 40, 8))
end

local function show_channel(tvb, pinfo, tree, at)
    if tvb:len() < at + SHAPE then
        tree:add_proto_expert_info(damaged, "The description of the channel is cut short")
        return
    end
    add_shape(tvb, tree, at)
    local bus_length, name_length = tvb(at + 2, 1):uint(), tvb(at + 3, 1):uint()
    local names_at = at + SHAPE
    if tvb:len() < names_at + bus_length + name_length then
        tree:add_proto_expert_info(damaged, "The names are cut short")
        return
    end
    local name = tvb(names_at + bus_length, name_length)
    tree:add(f.bus_name, tvb(names_at, bus_length))
    tree:add(f.channel_name, name)
    learn_name(tvb(8, 4):le_uint(), pinfo.number, name:string())
    pinfo.cols.info = "Channel " .. name:string()
end

local function show_message(tvb, pinfo, tree, at)
    local name = name_at(tvb(8, 4):le_uint(), pinfo.number)
    if name then
        tree:add(f.channel_name, name):set_generated()
    end
    tree:add_le(f.publisher, tvb(12, 4))
    local missed = tree:add_le(f.missed, tvb(24, 8))
    if tvb(24, 8):le_uint64() > UInt64(0) then
        missed:add_proto_expert_info(missing)
    end
    tree:add_le(f.size, tvb(32, 8))
    tree:add_le(f.sent_ns, tvb(40, 8))
    tree:add_le(f.offset, tvb(56, 4))
    add_flags(tvb, tree)
    if tvb:len() > at then
        tree:add(f.data, tvb(at))
    end
    local flags = tvb(60, 2):le_uint()
    pinfo.cols.info = string.format("%s #%s from publisher %d, %s bytes%s%s", name or "?",
                                    tostring(tvb(16, 8):le_uint64()), tvb(12, 4):le_uint(),
                                    tostring(tvb(32, 8):le_uint64()),
                                    flags % 2 == 1 and ", aborted" or "",
                                    tvb(56, 4):le_uint() > 0 and ", continued" or "")
end

function shmbus.dissector(tvb, pinfo, root)
    pinfo.cols.protocol = "SHMBUS"
    local tree = root:add(shmbus, tvb())
    if tvb:len() < HEADER or tvb(0, 4):string() ~= "SHMB" then
        tree:add_proto_expert_info(damaged, "No packet of shmbus record")
        return
    end
    add_header(tvb, tree)
    local version, kind, at = tvb(4, 1):uint(), tvb(5, 1):uint(), tvb(6, 2):le_uint()
    if version ~= 1 or at < HEADER or at > tvb:len() then
        tree:add_proto_expert_info(damaged, "Of another version, or its header is cut short")
    elseif kind == KIND_CHANNEL then
        show_channel(tvb, pinfo, tree, at)
    elseif kind == KIND_MESSAGE then
        show_message(tvb, pinfo, tree, at)
    else
        tree:add_proto_expert_info(damaged, "Of a kind that is not known")
    end
end

DissectorTable.get("wtap_encap"):add(wtap.USER0, shmbus)
